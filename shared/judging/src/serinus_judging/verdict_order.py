"""The order of the verdict, the same for every judge (docs/explanation/judging.md, "Order of the verdict").

A judge gives an opinion of the counts; what is done while data are missing, before a stage's minimum and after its
maximum is no judge's business. The guardrails come behind (`guardrails.checks`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from serinus_contracts.events import Label, MetricsCollected, MetricStatus, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration

from serinus_judging import fault_words
from serinus_judging.assessment import Assessment, Fields
from serinus_judging.guardrails import sample_ratio
from serinus_judging.run_progress import RunProgress
from serinus_judging.snapshot import Reading, stage_seconds

MAX_MISSING = 3
"""Snapshots in a row without data from which on `on_no_data: abort` aborts. One is an ordinary scrape gap or a late
series, whose counts the next window brings; three in a row after the minimum time are an outage of the canary's
metrics, and still short enough to spare its users."""

LABELS: dict[MetricStatus, Label] = {
    "error": "error",
    "no_data": "no_data",
    "partial": "no_data",
    "settling": "settling",
}
"""Of a metric that cannot be judged in this snapshot."""


class Opinion(NamedTuple):
    """What a judge says of a run so far.

    verdict, reason: once the stage's minimum has passed; say: the judge's own words, given the reason of the verdict
    that was reached in the end; stands: it is so whatever comes, as an abort is that was reached; urgent: it applies
    before the minimum and whatever is wrong with the data; fault: why this snapshot says nothing, though its data are
    good; may_proceed: `on_time_spent: proceed` may open the gate; regressed: metrics and limits that an abort rests
    on. The rest as in `Assessment`.
    """

    verdict: Verdict
    reason: Reason
    say: Callable[[Reason], str]
    report: Callable[[], tuple[Fields, ...]]
    stands: bool = False
    urgent: bool = False
    fault: Reason | None = None
    may_proceed: bool = True
    regressed: tuple[str, ...] = ()
    log_eprocess: float = 0.0
    calibrated: bool = False
    findings: tuple[Fields, ...] = ()
    score: float | None = None
    brief: Callable[[], tuple[Fields, ...]] | None = None


class Facts(NamedTuple):
    """What is known of a run beside a judge's opinion.

    readings: one per metric of the plan, none of a judge that counts nothing; uncounted: whether nothing was counted
    in this stage yet of the metric with that index.
    """

    plan: AnalysisPlan
    snapshot: MetricsCollected
    progress: RunProgress = RunProgress()
    readings: tuple[Reading, ...] = ()
    uncounted: Callable[[int], bool] = lambda _: False

    @property
    def in_stage(self) -> bool:
        """Whether the snapshot is of one of the plan's stages."""
        return 0 <= self.snapshot.stage < len(self.plan.stages)


class Decision(NamedTuple):
    """own: it is the opinion's verdict for the opinion's reason."""

    verdict: Verdict
    reason: Reason
    own: bool = False


def decide(facts: Facts, opinion: Opinion) -> Decision:
    """The first rule that applies."""
    plan, snapshot = facts.plan, facts.snapshot
    own = Decision(opinion.verdict, opinion.reason, own=True)
    if opinion.stands:
        return own
    if not facts.in_stage:
        return Decision("hold", "settling")
    if opinion.urgent:
        return own
    stage, elapsed = plan.stages[snapshot.stage], stage_seconds(snapshot)
    if plan.on_no_data == "abort" and facts.progress.missing >= MAX_MISSING and elapsed >= stage.minimum:
        return Decision("abort", "no_data")
    fault = fault_of(facts) or opinion.fault
    if fault is not None:
        return Decision("hold", fault)
    if elapsed < stage.minimum:
        return Decision("hold", "before_minimum")
    if opinion.verdict == "hold" and elapsed >= stage.maximum:
        forbidden = plan.on_time_spent == "proceed" and not opinion.may_proceed
        return Decision("hold" if forbidden else plan.on_time_spent, "time_spent")
    return own


def fault_of(facts: Facts) -> Reason | None:
    """What is wrong with the data of this snapshot, the worst first."""
    statuses = [reading.status for reading in facts.readings]
    if "error" in statuses:
        return "provider_error"
    if "no_data" in statuses or "partial" in statuses:
        return "no_data"
    if sample_ratio.mismatched(facts.progress.sample_ratio, facts.plan.false_abort_rate):
        return "sample_ratio_mismatch"
    # between two scrapes: no fault, unless nothing was counted in this stage yet
    waiting = [i for i, status in enumerate(statuses) if status == "waiting"]
    return "settling" if "settling" in statuses or any(map(facts.uncounted, waiting)) else None


def assess(facts: Facts, opinion: Opinion) -> tuple[Decision, Assessment]:
    """The verdict by the order, and all that is published of it."""
    decision, readings = decide(facts, opinion), facts.readings
    measured = [reading.measured for reading in readings if reading.measured is not None]
    named = zip(facts.plan.metrics, readings, strict=False)
    return decision, Assessment(
        verdict=decision.verdict,
        reason=decision.reason,
        sentence=f"{decision.verdict}: {_words(facts, opinion, decision)}",
        regressed=opinion.regressed if decision.own and decision.verdict == "abort" else (),
        log_eprocess=opinion.log_eprocess,
        missing=tuple([metric.name for metric, reading in named if reading.status not in ("ok", "waiting")]),
        resets=sum([each.resets for each in measured]),
        newest=max([each.newest for each in measured if each.newest is not None], default=None),
        evaluated_requests=facts.progress.evaluated_requests,
        calibrated=opinion.calibrated,
        report=opinion.report,
        brief=opinion.brief or opinion.report,
        share=partial(sample_ratio.published, *facts[:2], facts.progress.sample_ratio) if readings else lambda: None,
        found=lambda: opinion.findings,
        score=opinion.score,
    )


def _words(facts: Facts, opinion: Opinion, decision: Decision) -> str:
    reason = decision.reason
    if decision.own or reason == opinion.fault:
        return opinion.say(reason)
    if not facts.in_stage:
        return "waiting for the first change of weight"
    where, stage = f"at {weight_text(facts.snapshot.weight)}", facts.plan.stages[facts.snapshot.stage]
    if reason == "before_minimum":
        waited = f"analysing, {duration(stage_seconds(facts.snapshot))} of at least {duration(stage.minimum)} {where}"
        return f"{waited}{opinion.say(reason)}"
    if reason == "time_spent":
        then = {"hold": "", "abort": ", then the policy aborts", "proceed": ", then the policy proceeds"}
        return f"{duration(stage.maximum)} {where} without a conclusion{then[decision.verdict]}; {opinion.say(reason)}"
    data = fault_words.Data(*facts[:4])
    wait = f"; {facts.progress.missing} snapshots in a row" if decision.verdict == "abort" else ""
    return f"{fault_words.SAYS[reason](data)}{wait}"
