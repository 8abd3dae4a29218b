"""A live judgement for people: a screen that is redrawn, or one line for each change."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf

from rich.console import Group, RenderableType
from rich.text import Text
from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.base import MAX_SECONDS, Millis
from serinus_contracts.wording import clock, duration, minute
from serinus_judging.sequential.power import forecast

from serinus import show
from serinus.explain import bar_of
from serinus.found import found

STYLES = {"proceed": "green", "hold": "yellow", "abort": "red"}
MARKS = {"proceed": "✔", "hold": "■", "abort": "✖"}
WIDTH = 30
# Without a terminal a line comes at least so often, so that a log shows that it lives.
ALIVE_MS = 60_000
MAX_ODDS = 1e6


@dataclass(frozen=True)
class Screen:
    """What is judged, in the words of the command line, and the plan."""

    name: str
    canary: str
    stable: str
    provider: str
    plan: AnalysisPlan
    began: Millis

    def live(self, verdict: VerdictReached | None, now: Millis) -> RenderableType:
        """All that is known now. `now` in ms."""
        lines: list[RenderableType] = [*self.head(), Text(self._progress(now))]
        if verdict is None:
            lines.append(Text("waiting for the first counts, which take two scrapes", style="dim"))
        else:
            lines += [Text(), *self.of(verdict)]
        return Group(*lines)

    def head(self) -> list[Text]:
        """Two lines: what is compared, and where."""
        return [
            Text.assemble((self.name, "bold"), "  ", self.canary, (" against ", "dim"), self.stable),
            Text(f"{', '.join(one.name for one in self.plan.metrics)} at {self.provider}", style="dim"),
        ]

    def of(self, verdict: VerdictReached) -> list[RenderableType]:
        """The verdict, the counts, what else was found, and the odds."""
        style = STYLES[verdict.verdict] if verdict.verdict != "hold" else ""
        lines: list[RenderableType] = [Text(f"{MARKS[verdict.verdict]} {sentence(verdict)}", style=style)]
        if verdict.metrics:
            lines += [Text(), show.counts(verdict, self.plan)]
        lines += [Text(line) for line in found(verdict.metrics, verdict.findings)]
        if text := odds(verdict, self.plan):
            lines.append(Text(text, style="dim"))
        return lines

    def _progress(self, now: Millis) -> str:
        passed, most = (now - self.began) / 1000, self.plan.stages[0].maximum
        if most >= MAX_SECONDS:
            return f"for {duration(passed)}, until Ctrl-C"
        done = min(max(round(WIDTH * passed / most), 0), WIDTH)
        return f"{'━' * done}{'╌' * (WIDTH - done)} {duration(passed)} of at most {duration(most)}"


def sentence(verdict: VerdictReached) -> str:
    """The verdict's own; of the first seconds, which no change of weight began, other words."""
    if verdict.reason == "settling":
        return f"waiting for the first counts since {minute(verdict.stage_started)}, which take two scrapes"
    return verdict.sentence


def odds(verdict: VerdictReached, plan: AnalysisPlan) -> str:
    """Such as: odds of a regression 0.4 : 1, abort from 100 : 1; empty of a judge without any."""
    bar = bar_of(plan)
    if bar is None or verdict.reason in ("settling", "no_data", "provider_error"):
        return ""
    value = exp(min(verdict.log_eprocess, 20))
    text = "over 1,000,000" if value > MAX_ODDS else f"{value:,.0f}" if value >= 10 else f"{value:.1g}"
    return f"odds of a regression {text} : 1, abort from {exp(bar):,.0f} : 1"


@dataclass
class Lines:
    """A line for each change of verdict or reason, and one now and then to show that it goes on."""

    told: tuple[str, str] = ("", "")
    last: Millis = 0

    def of(self, verdict: VerdictReached, now: Millis) -> Sequence[str]:
        """What is to be said of a verdict now. `now` in ms."""
        gist = (verdict.verdict, verdict.reason)
        if gist == self.told and now - self.last < ALIVE_MS:
            return ()
        self.told, self.last = gist, now
        return (f"{clock(now)}  {sentence(verdict)}",)


def summary(screen: Screen, verdict: VerdictReached | None, took: float, interrupted: bool) -> RenderableType:
    """How it ended, with the counts."""
    if verdict is None:
        return Text("nothing was evaluated")
    lines = screen.of(verdict)
    stopped = "stopped" if interrupted else ENDS[verdict.verdict]
    about = f"{verdict.evaluated_requests:,} requests of the canary in {verdict.evaluation:,} evaluations"
    lines += [Text(), Text(f"{stopped} after {duration(took)}: {about}", style="bold")]
    if hint := longer(verdict, screen.plan):
        lines.append(Text(hint))
    return Group(*lines)


def longer(verdict: VerdictReached, plan: AnalysisPlan) -> str:
    """What would decide what is inconclusive; empty where that is not for want of time."""
    if verdict.reason not in ("insufficient_evidence", "time_spent", "before_minimum") or bar_of(plan) is None:
        return ""
    # Of counts, whose rates are known by now; what a latency takes depends on its buckets too.
    known = {one.name: one for one in verdict.metrics if not one.limit and one.run and one.run[0].canary_edge is None}
    rates = {name: one.run[0].stable.rate or 0 for name, one in known.items()}
    found = forecast(plan, verdict.request_rate or 0, rates)
    slowest = max(found, key=lambda one: one.seconds, default=None)
    passed = (verdict.end - verdict.stage_started) / 1000
    if slowest is None or slowest.seconds <= passed:
        return ""
    if slowest.seconds == inf:
        return f"With this traffic and margin {slowest.metric} of an equal canary is never shown to be no worse."
    return (
        f"An equal canary is shown to be no worse after about {duration(slowest.seconds)} of this traffic: give --for "
        "as long, or --gate noRegression, which asks for less"
    )


ENDS = {"proceed": "proceed", "abort": "abort", "hold": "inconclusive"}


def note(text: str) -> Text:
    """Beside the output."""
    return Text.assemble(("note:", "yellow"), f" {text}")
