"""Runs on a terminal: shape and words carry the meaning, colour only repeats it."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from serinus_console.domain.card import Card
from serinus_console.domain.next_step import next_step
from serinus_contracts import Counts, MetricVerdict
from serinus_contracts.base import Millis

_STYLES = {"proceed": "green", "hold": "yellow", "abort": "red", "promoted": "green", "aborted": "red"}
_MARKS = {"proceed": "▲", "hold": "■", "abort": "▼", "promoted": "✔", "aborted": "✖"}


def board(cards: Iterable[Card], now: Millis) -> RenderableType:
    """One panel a run."""
    shown = [panel(card, now) for card in cards]
    return Group(*shown) if shown else Text("no runs yet", style="dim")


def panel(card: Card, now: Millis) -> RenderableType:
    observed, verdict = card.observed, card.verdict
    state = observed.outcome or (verdict.verdict if verdict else "hold")
    style = _STYLES.get(state, "white")
    title = Text.assemble((f"{_MARKS.get(state, '·')} {observed.run.rollout}", "bold"), ("  " + stage_bar(card), style))
    lines: list[RenderableType] = []
    if verdict:
        lines.append(Text(verdict.sentence, style=style if state in ("abort", "aborted", "hold") else ""))
        lines.append(counts(verdict.metrics))
    lines.append(Text.assemble(("next  ", "dim"), next_step(card, now)))
    about = f"{observed.run.canary_hash} against {observed.run.stable_hash}, attempt {observed.run.attempt}"
    if card.plan:
        about += f" · policy {card.plan.policy} ({card.plan.mode})"
    if verdict:
        about += f" · look {verdict.look} · {verdict.exposed:,} requests exposed"
    return Panel(
        Group(*lines), title=title, title_align="left", subtitle=about, subtitle_align="left", border_style=style
    )


def stage_bar(card: Card) -> str:
    """The stages passed, the one it is in, and those to come."""
    observed = card.observed
    if observed.outcome:
        return observed.outcome
    weights = [stage.weight for stage in card.plan.stages] if card.plan else []
    done = "━" * (observed.stage + 1)
    return f"{done}{'╌' * (len(weights) - observed.stage - 1)} {observed.set_weight} %"


def counts(metrics: Iterable[MetricVerdict]) -> RenderableType:
    """Canary against stable in this stage, per metric; of a latency its middle edge."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    for name in ("metric", "canary", "stable", "state"):
        table.add_column(name)
    for metric in metrics:
        if metric.limit or not metric.run:
            continue
        middle = len(metric.run) // 2
        channel = metric.run[middle]
        canary, stable = channel.canary, channel.stable
        if len(metric.stage) >= 2 * len(metric.run):
            canary, stable = metric.stage[2 * middle], metric.stage[2 * middle + 1]
        table.add_row(
            metric.name,
            _count(canary, channel.canary_edge),
            _count(stable, channel.stable_edge),
            metric.label.replace("_", " "),
        )
    return table


def _count(counts: Counts, edge: float | None) -> str:
    if counts.rate is None:
        return "no requests"
    over = "" if edge is None else f" over {1000 * edge:.0f} ms"
    return f"{100 * counts.rate:.3g} %{over}  {counts.events:,} of {counts.trials:,}"


def line(card: Card, now: Millis) -> str:
    """One line a run, for where no terminal is."""
    observed = card.observed
    said = card.verdict.sentence if card.verdict else "no verdict yet"
    return f"{observed.run.rollout:<24} {stage_bar(card):<14} {said} -> {next_step(card, now)}"
