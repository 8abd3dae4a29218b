"""Runs of the judges of rules for tests: each evidence packed and unpacked on the way."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from serinus_contracts.events import Finding, Measurement, MetricsCollected
from serinus_contracts.plan import AnalysisPlan
from serinus_judging.judges import JUDGES
from serinus_judging.rules.rule_state import RuleState

from tests.unit.judging.builders import distribution, snapshot
from tests.unit.judging.told import Told

EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 3.0, 5.0, 10.0)


def ruled(
    plan: AnalysisPlan, snapshots: Iterable[MetricsCollected], evidence: RuleState | None = None
) -> tuple[RuleState, Told]:
    """The last evidence and assessment of the plan's own judge."""
    judge = JUDGES[plan.judge.name]
    found: RuleState = evidence or judge.start(plan)
    assessment = None
    for look in snapshots:
        found, assessment = judge.judge([(plan, found, look)])[0]
        assert judge.load(found.pack()) == found
    assert assessment is not None
    return found, Told(assessment)


def alike(
    snapshots: int,
    first: int = 1,
    weight: int = 50,
    metrics: Mapping[str, Measurement] | None = None,
    **named: Measurement,
) -> list[MetricsCollected]:
    """So many looks with the same counts."""
    counts = {**(metrics or {}), **named}
    return [snapshot(counts, number, weight=weight) for number in range(first, first + snapshots)]


def within(canary: Mapping[float, int], stable: Mapping[float, int]) -> Measurement:
    """A histogram from counts by upper edge."""
    own, other = ([arm.get(edge, 0) for edge in (*EDGES, inf)] for arm in (canary, stable))
    return distribution(EDGES, own, other)


def fired(findings: Sequence[Finding]) -> list[tuple[str, str, float]]:
    """Metric, severity and penalty of what costs something."""
    return [(one.metric, one.severity, one.values["penalty"]) for one in findings if one.values.get("penalty")]
