"""Plans for the worlds of the benchmark: what a policy would resolve to."""

from serinus_contracts.judge import SequentialRule
from serinus_contracts.metric import Better, Margin
from serinus_contracts.plan import AnalysisPlan, ArmRule, Bucketed, Counted, PlanLimit, PlanMetric, PlanStage
from serinus_contracts.policy import Gate
from serinus_contracts.selector import Selector

from benchmarks._worlds import SECONDS, World

_QUERY = Selector.parse("requests_total")


def proportion(
    name: str, ratio: float, absolute: float = 0.0, better: Better = "lower", critical: bool = False, lag: float = 0.0
) -> PlanMetric:
    """A metric of counts."""
    source = Counted(query=_QUERY, events=((),), trials=((),))
    margin = Margin(ratio=ratio, absolute=absolute)
    return PlanMetric(name=name, source=source, better=better, margin=margin, critical=critical, lag=lag)


def latency(name: str = "latency", ratio: float = 1.2) -> PlanMetric:
    """A metric of durations."""
    return PlanMetric(name=name, source=Bucketed(query=_QUERY), margin=Margin(ratio=ratio))


def plan(
    metrics: tuple[PlanMetric, ...],
    weights: tuple[float, ...],
    gates: tuple[Gate, ...],
    minimum: float = 300,
    maximum: float = 3600,
    limits: tuple[PlanLimit, ...] = (),
) -> AnalysisPlan:
    """A plan with these stages (weights from 0 to 1)."""
    stages = tuple(
        PlanStage(
            weight=round(100 * weight),
            first_step=2 * i,
            gates=(2 * i + 1,),
            minimum=minimum,
            maximum=maximum,
            gate=gate,
        )
        for i, (weight, gate) in enumerate(zip(weights, gates, strict=True))
    )
    return AnalysisPlan(
        policy="benchmark",
        mode="enforce",
        judge=SequentialRule(),
        false_abort_rate=0.01,
        false_promote_rate=0.05,
        interval=30,
        settle=0,
        provider="main",
        arms=(ArmRule(label="pod", canary="new", stable="old"),),
        stages=stages,
        metrics=metrics,
        limits=limits,
    )


def plan_of(world: World) -> AnalysisPlan:
    """One metric under the world's margin, proof at the last stage."""
    better: Better = "higher" if world.higher else "lower"
    metric = proportion("events", world.ratio, world.absolute, better, critical=True, lag=world.lag * SECONDS)
    if world.durations:
        metric = latency(ratio=world.ratio)
    gates: list[Gate] = ["noRegression"] * (len(world.weights) - 1)
    return plan((metric,), world.weights, (*gates, "nonInferiority"))


def six_metrics() -> AnalysisPlan:
    """Four rates of errors, conversions, and latency with five quantiles: what one evaluation is timed with."""
    metrics = (
        proportion("errors", 1.25, 0.001, critical=True),
        proportion("timeouts", 1.25, 0.001),
        proportion("retries", 1.25),
        proportion("rejections", 1.25),
        proportion("conversion", 0.95, better="higher"),
        latency(),
    )
    weights = (0.01, 0.05, 0.10, 0.25, 0.50)
    return plan(metrics, weights, ("noRegression", "noRegression", "noRegression", "noRegression", "nonInferiority"))
