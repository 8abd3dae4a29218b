"""Folding the looks of one run, in the order of their chain: pure but for the judge's table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serinus_contracts import AnalysisPlan, DataQuality, MetricsCollected, VerdictReached

from serinus_analyzer.domain.assessment import Assessment
from serinus_analyzer.domain.judges import JUDGES
from serinus_analyzer.service_layer.ports import Standing


@dataclass(frozen=True)
class Look:
    """A snapshot and the stream entry that carried it."""

    entry: bytes
    snapshot: MetricsCollected


def next_look(standing: Standing, looks: Sequence[Look]) -> Look | None:
    """The look that continues the chain, None if it is not among them."""
    return next((look for look in looks if look.snapshot.follows == standing.through), None)


def repeats(standing: Standing, looks: Sequence[Look]) -> list[Look]:
    """Looks that were folded before."""
    return [look for look in looks if look.snapshot.end <= standing.through]


def fold(standing: Standing, plan: AnalysisPlan, snapshot: MetricsCollected) -> tuple[Standing, VerdictReached]:
    """The standing after a look, and its verdict. A look that does not follow the last one counts as a gap.

    Raises ValueError if the evidence cannot be read by the plan's judge.
    """
    judge = JUDGES[plan.judge.name]
    # Evidence belongs to the plan it was collected under; a plan that changed in mid-run starts anew.
    known = standing.evidence if standing.plan == snapshot.plan else b""
    evidence, assessment = judge.look(plan, judge.unpack(known) if known else judge.open(plan), snapshot)
    changed = (assessment.verdict, assessment.reason) != (standing.verdict, standing.reason)
    after = Standing(
        through=snapshot.end,
        looks=standing.looks + 1,
        gaps=standing.gaps + (snapshot.follows != standing.through),
        verdict=assessment.verdict,
        reason=assessment.reason,
        since=snapshot.end if changed else standing.since,
        plan=snapshot.plan,
        evidence=evidence.pack(),
    )
    return after, _verdict(plan, snapshot, assessment, after, changed)


def bridged(standing: Standing, look: Look) -> Standing:
    """The standing from which a look behind a gap is folded: what is missing is counted, not forgotten."""
    return replace(standing, through=look.snapshot.follows, gaps=standing.gaps + 1)


def _verdict(
    plan: AnalysisPlan, snapshot: MetricsCollected, assessment: Assessment, standing: Standing, changed: bool
) -> VerdictReached:
    return VerdictReached(
        run=snapshot.run,
        follows=snapshot.follows,
        end=snapshot.end,
        verdict=assessment.verdict,
        reason=assessment.reason,
        sentence=assessment.sentence,
        since=standing.since,
        changed=changed,
        look=standing.looks,
        step=snapshot.step,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        weight=snapshot.weight,
        exposed=assessment.exposed,
        log_abort=assessment.log_abort,
        metrics=assessment.metrics,
        blame=assessment.blame,
        quality=DataQuality(
            missing=assessment.missing, resets=assessment.resets, gaps=standing.gaps, newest=assessment.newest
        ),
        calibrated=assessment.calibrated,
        traffic=assessment.traffic,
        plan=snapshot.plan,
        judge=plan.judge.name,
    )
