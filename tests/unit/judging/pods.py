"""Plans with gauges and looks at pods, for tests of what runs beside every judge."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from serinus_contracts.events import Finding, Gauge, Measurement, MetricsCollected, MetricStatus, Pod, Proportion
from serinus_contracts.metric import Better, Margin
from serinus_contracts.plan import AnalysisPlan, Gauged, PlanLimit, PlanMetric
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import GuardrailMemory

from tests.unit.judging.builders import QUERY, START, metric, plan, snapshot
from tests.unit.judging.runs import evaluated, known_noise
from tests.unit.judging.told import Told

OVER = PlanLimit(name="memory above 0.95", metric="memory", share=0.95)


def memory(may_abort: bool = False, name: str = "memory", rate: bool = False, better: Better = "lower") -> PlanMetric:
    """A gauge."""
    source = Gauged(query=QUERY, value=(), rate=rate)
    return PlanMetric(name=name, source=source, margin=Margin(), may_abort=may_abort, better=better)


def own(count: int) -> list[str]:
    return [f"cart-new-{i}" for i in range(count)]


def others(count: int) -> list[str]:
    return [f"cart-old-{i}" for i in range(count)]


def gauge(canary: Sequence[float], stable: Sequence[float] = (0.5,) * 4, status: MetricStatus = "ok") -> Gauge:
    """A value for each pod."""
    return Gauge(
        status=status,
        canary=dict(zip(own(len(canary)), canary, strict=True)),
        stable=dict(zip(others(len(stable)), stable, strict=True)),
    )


def shares(canary: Sequence[tuple[int, int]], stable: Sequence[tuple[int, int]]) -> Proportion:
    """Counts of each pod."""
    return Proportion(
        status="ok",
        canary=dict(zip(own(len(canary)), canary, strict=True)),
        stable=dict(zip(others(len(stable)), stable, strict=True)),
        series=2,
    )


HEALTHY = shares([(1, 500)] * 2, [(1, 500)] * 4)


def pods(
    canary: int = 2, stable: int = 4, restarts: int = 0, ready: bool = True, started: int | None = 0
) -> tuple[Pod, ...]:
    """Pods, the canary's first with so many restarts, ready or not."""
    first = Pod(name="cart-new-0", arm="canary", started=started, ready=ready, restarts=restarts)
    rest = [Pod(name=name, arm="canary", started=started, ready=True) for name in own(canary)[1:]]
    there = [Pod(name=name, arm="stable", started=0, ready=True) for name in others(stable)]
    return (*([first] if canary else []), *rest, *there)


def seen(
    number: int,
    metrics: Mapping[str, Measurement] | None = None,
    of: tuple[Pod, ...] | None = None,
    stage: int = 0,
    started: int = START,
) -> MetricsCollected:
    """A look of that number at healthy counts, and what else is given."""
    look = snapshot({"errors": HEALTHY, **(metrics or {})}, number, stage=stage, stage_started=started)
    return look.model_copy(update={"pods": pods() if of is None else of})


def settled(
    plan: AnalysisPlan, snapshots: Iterable[MetricsCollected], known: GuardrailMemory | None = None
) -> tuple[GuardrailMemory, Told]:
    """The last memory and assessment with what is found beside the default judge, packed and unpacked on the way."""
    evidence = known_noise(plan)
    kept = known or GuardrailMemory.start(plan)
    assessment = None
    for look in snapshots:
        evidence, judged = evaluated(plan, evidence, look)
        kept, found = checks.evaluate(plan, kept, look)
        packed = kept.pack()
        again = GuardrailMemory.unpack(packed)
        assert again is not None
        assert again.pack() == packed
        kept = again
        assessment = Told(checks.apply_guardrails(judged.assessment, found))
    assert assessment is not None
    return kept, assessment


def run(
    metrics: Callable[[int], Mapping[str, Measurement]], snapshots: int, of: tuple[Pod, ...] | None = None
) -> list[MetricsCollected]:
    """So many looks of one stage; metrics by number from 1."""
    return [seen(number, metrics(number), of) for number in range(1, snapshots + 1)]


def of_kind(found: tuple[Finding, ...], kind: str) -> list[Finding]:
    return [one for one in found if one.kind == kind]


QUIET = plan(metric(ratio=1.25, absolute=0.01), memory(), gate="noRegression", limits=[OVER])
