"""Runs on a terminal: shape and words carry the meaning, colour only repeats it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import words
from serinus_readmodel.metrics import Arm, Row, rows
from serinus_readmodel.next_step import next_step
from serinus_readmodel.outcome import headline, last_sentence, outcome
from serinus_readmodel.run_view import RunView

from serinus.found import found

_STYLES = {"proceed": "green", "hold": "yellow", "abort": "red", "promoted": "green", "aborted": "red"}
WIDER = ("difference", "margin", "canary's rate is", "ln M")
_MARKS = {"proceed": "▲", "hold": "■", "abort": "▼", "promoted": "✔", "aborted": "✖"}


def board(views: Iterable[RunView], now: Millis, *, wide: bool = False) -> RenderableType:
    """One panel a run."""
    shown = [panel(view, now, wide=wide) for view in views]
    return Group(*shown) if shown else Text("no runs yet", style="dim")


def panel(view: RunView, now: Millis, *, wide: bool = False) -> RenderableType:
    """One run in a frame: verdict, counts, what happens next. `now` in ms."""
    observed, verdict = view.observed, view.whole
    state = observed.outcome or (verdict.verdict if verdict else "hold")
    style = _STYLES.get(state, "white")
    title = Text.assemble((f"{_MARKS.get(state, '·')} {observed.run.rollout}", "bold"), ("  " + stage_bar(view), style))
    lines: list[RenderableType] = []
    ended = outcome(view)
    if ended:
        lines.append(Text(ended.text, style=style))
    if last := last_sentence(view):
        lines.append(Text.assemble(("last  ", "dim"), last))
    if verdict:
        if not ended:
            lines.append(Text(verdict.sentence, style=style if state in ("abort", "hold") else ""))
        lines.append(counts(verdict, view.plan, wide=wide))
        lines += [Text(line) for line in found(verdict.metrics, view.findings)]
    lines.append(Text.assemble(("next  ", "dim"), next_step(view, now)))
    if verdict:
        lines.append(
            Text.assemble(
                ("seen  ", "dim"),
                f"{verdict.evaluation:,} evaluations, {verdict.requests_until(observed.ended or now)}",
            )
        )
    about = f"{observed.run.canary_hash} against {observed.run.stable_hash}, attempt {observed.run.attempt}"
    if view.plan:
        about += f" · policy {view.plan.policy} ({view.plan.mode})"
    lines.append(Text.assemble(("run   ", "dim"), about, f" · {view.id}" if wide else ""))
    return Panel(Group(*lines), title=title, title_align="left", border_style=style, expand=not wide)


def stage_bar(view: RunView) -> str:
    """The stages passed, the one it is in, and those to come."""
    observed = view.observed
    if observed.outcome:
        return observed.outcome
    weights = [stage.weight for stage in view.plan.stages] if view.plan else []
    done = "━" * (observed.stage + 1)
    return f"{done}{'╌' * (len(weights) - observed.stage - 1)} {weight_text(observed.set_weight)}"


def counts(said: VerdictReached, plan: AnalysisPlan | None, *, wide: bool = False) -> RenderableType:
    """Canary against stable in this stage, per metric: of a latency its quantiles."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("metric", "canary", "stable", *(WIDER if wide else ()), "state"):
        table.add_column(name)
    shown = [metric for metric in said.metrics if wide or not metric.limit]
    for metric, row in zip(said.metrics, rows(said, plan), strict=True):
        if metric in shown:
            edge = row.about.partition(": ")[2] or row.about
            cells = [f"{row.name} {edge}".rstrip(), _arm(row, row.canary), _arm(row, row.stable)]
            bound = row.bar.text if row.bar else ""
            more = [row.difference, row.margin, bound, f"{metric.log_eprocess:.2f}" if metric.run else ""]
            table.add_row(*cells, *(more if wide else ()), words(metric.label))
            for one in row.others if row.segment else ():
                if wide or one.label == "worse":
                    more = [one.difference, "", one.bar.text if one.bar else "", ""]
                    cells = [f"  {one.about}", _arm(one, one.canary), _arm(one, one.stable)]
                    table.add_row(*cells, *(more if wide else ()), words(one.label))
    return table


def _arm(row: Row, arm: Arm | None) -> str:
    if arm is None:
        return "no requests" if row.margin and not row.limit else ""
    return f"{arm.rate} {arm.counts}"


def line(view: RunView, now: Millis) -> str:
    """One line a run, for where no terminal is."""
    observed = view.observed
    said = headline(view) or "no verdict yet"
    return f"{observed.run.rollout:<24} {stage_bar(view):<14} {said} -> {next_step(view, now)}"


@dataclass
class Changes:
    """Tells of each run when its step, verdict, reason or end is another than when it was told last."""

    told: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def lines(self, views: Iterable[RunView], now: Millis) -> list[str]:
        """A line for each run whose state is another than when it was last shown."""
        found = []
        for view in views:
            said, seen = view.verdict, view.observed
            gist = (seen.outcome, seen.step, said and (said.verdict, said.reason), view.operator.held_by)
            if self.told.get(view.id) != gist:
                self.told[view.id] = gist
                found.append(line(view, now))
        return found
