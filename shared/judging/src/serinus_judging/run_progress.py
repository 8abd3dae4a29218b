"""How far a run has come: what every judge of counts remembers beside its evidence."""

from collections.abc import Sequence
from typing import NamedTuple

from serinus_contracts.base import Millis
from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.guardrails import sample_ratio
from serinus_judging.guardrails.sample_ratio import SampleRatio
from serinus_judging.plan_metrics import gating_metrics, requests_metric
from serinus_judging.snapshot import Reading


class LastGood(NamedTuple):
    """The last window of a metric that was counted: its end (0: none yet), and how many series answered then."""

    end: Millis = 0
    series: int = 0


class RunProgress(NamedTuple):
    """Of one run after a snapshot.

    evaluations: snapshots so far; stage, stage_started: of the last one; evaluated_requests: of the canary, over the
    run; missing: snapshots in a row in which a gating metric had no data; sample_ratio: of this stage; good: per
    metric of the plan.
    """

    evaluations: int = 0
    stage: int = -1
    stage_started: int = -1
    evaluated_requests: int = 0
    missing: int = 0
    sample_ratio: SampleRatio = SampleRatio()
    good: tuple[LastGood, ...] = ()

    def enters(self, snapshot: MetricsCollected) -> bool:
        """Whether a stage has begun since."""
        return (snapshot.stage, snapshot.stage_started) != (self.stage, self.stage_started)


def start(plan: AnalysisPlan) -> RunProgress:
    """Before the first snapshot."""
    return RunProgress(good=(LastGood(),) * len(plan.metrics))


def after(
    progress: RunProgress, plan: AnalysisPlan, snapshot: MetricsCollected, readings: Sequence[Reading]
) -> RunProgress:
    """With one more snapshot; readings: one per metric of the plan."""
    ratio, evaluated = progress.sample_ratio, 0
    if 0 <= snapshot.stage < len(plan.stages):
        if progress.enters(snapshot):
            ratio = SampleRatio(pace=ratio.pace)
        requests = readings[requests_metric(plan)]
        if requests.status == "ok" or requests.without_requests:
            _, evaluated, _, stable = requests.quad
            split = sample_ratio.tested(plan, snapshot)
            if split is not None:
                cold = requests.cold
                ratio = sample_ratio.after(ratio, evaluated + cold[0], stable + cold[1], split, requests.seconds)
    gating = [readings[i] for i in gating_metrics(plan)]
    missing = any(reading.status == "no_data" and not reading.without_requests for reading in gating)
    return RunProgress(
        evaluations=progress.evaluations + 1,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        evaluated_requests=progress.evaluated_requests + evaluated,
        missing=progress.missing + 1 if missing else 0,
        sample_ratio=ratio,
        good=tuple([_good(*each, snapshot.end) for each in zip(progress.good, readings, strict=True)]),
    )


def _good(old: LastGood, reading: Reading, end: Millis) -> LastGood:
    if reading.status != "ok" or reading.measured is None:
        return old
    window = reading.measured.window
    return LastGood(window.end if window else end, reading.measured.series or old.series)
