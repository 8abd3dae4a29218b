"""Plans and snapshots for tests of the judge, with defaults for all that a test does not speak of."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from serinus_contracts.events import (
    Distribution,
    Gauge,
    History,
    Measurement,
    MetricsCollected,
    MetricStatus,
    MetricVerdict,
    Proportion,
    Run,
    Window,
)
from serinus_contracts.judge import JudgeRule, SequentialRule
from serinus_contracts.metric import Better, Margin
from serinus_contracts.plan import AnalysisPlan, ArmRule, Bucketed, Counted, Gauged, PlanLimit, PlanMetric, PlanStage
from serinus_contracts.policy import Gate
from serinus_contracts.selector import Selector

RUN = Run(cluster="test", namespace="shop", name="cart", uid="u1", canary_hash="new", stable_hash="old", attempt=1)
START = 43_200_000  # 12:00 UTC
"""When the runs of these tests begin."""
QUERY = Selector.parse("requests_total")


def metric(
    name: str = "errors",
    ratio: float = 1.0,
    absolute: float = 0.0,
    better: Better = "lower",
    critical: bool = False,
    weight: float = 1.0,
    count: Literal["share", "rate"] = "share",
    lag: float = 0.0,
) -> PlanMetric:
    """A metric of counts."""
    return PlanMetric(
        name=name,
        source=Counted(query=QUERY, events=((),), trials=((),)),
        better=better,
        margin=Margin(ratio=ratio, absolute=absolute),
        critical=critical,
        weight=weight,
        count=count,
        lag=lag,
    )


def latency(name: str = "latency", ratio: float = 1.2, critical: bool = False, weight: float = 1.0) -> PlanMetric:
    """A metric of durations."""
    return PlanMetric(
        name=name, source=Bucketed(query=QUERY), margin=Margin(ratio=ratio), critical=critical, weight=weight
    )


def gauge(name: str = "memory", share: bool = True, rate: bool = False) -> PlanMetric:
    """A gauge per pod; share: of a limit; rate: of a counter, as CPU is."""
    source = Gauged(query=QUERY, value=(), over=() if share else None, rate=rate)
    return PlanMetric(name=name, source=source, margin=Margin())


def plan(
    *metrics: PlanMetric,
    weights: Sequence[int] = (50,),
    gate: Gate = "nonInferiority",
    minimum: float = 60,
    maximum: float = 3600,
    limits: Sequence[PlanLimit] = (),
    interval: float = 30,
    on_time_spent: Literal["hold", "abort", "proceed"] = "hold",
    on_no_data: Literal["hold", "abort"] = "hold",
    judge: JudgeRule | None = None,
) -> AnalysisPlan:
    """A plan with a stage for each weight, all with the same gate and times."""
    stages = tuple(
        PlanStage(weight=weight, first_step=2 * i, gates=(2 * i + 1,), minimum=minimum, maximum=maximum, gate=gate)
        for i, weight in enumerate(weights)
    )
    return AnalysisPlan(
        policy="cart",
        mode="enforce",
        judge=judge or SequentialRule(),
        false_abort_rate=0.01,
        false_promote_rate=0.05,
        interval=interval,
        settle=30,
        provider="main",
        arms=(ArmRule(label="pod", canary="cart-new-.*", stable="cart-old-.*"),),
        stages=stages,
        metrics=metrics or (metric(),),
        limits=tuple(limits),
        on_time_spent=on_time_spent,
        on_no_data=on_no_data,
    )


def proportion(
    x: int, n: int, y: int, m: int, status: MetricStatus = "ok", detail: str = "", series: int = 4, resets: int = 0
) -> Proportion:
    """Counts of both arms, one pod each."""
    return Proportion(
        status=status,
        canary={"cart-new-1": (x, n)},
        stable={"cart-old-1": (y, m)},
        detail=detail,
        series=series,
        resets=resets,
    )


def missing(status: MetricStatus = "no_data", detail: str = "", series: int = 0) -> Proportion:
    """A measurement without counts."""
    return Proportion(status=status, detail=detail, series=series)


def distribution(
    edges: Sequence[float], canary: Sequence[int], stable: Sequence[int], status: MetricStatus = "ok"
) -> Distribution:
    """Counts per bucket of both arms."""
    return Distribution(status=status, edges=tuple(edges), canary=tuple(canary), stable=tuple(stable), series=2)


def values(canary: Sequence[float], stable: Sequence[float] = (0.5,), status: MetricStatus = "ok") -> Gauge:
    """A gauge's values, one per pod."""
    return Gauge(
        status=status,
        canary={f"cart-new-{i}": v for i, v in enumerate(canary)},
        stable={f"cart-old-{i}": v for i, v in enumerate(stable)},
    )


def snapshot(
    metrics: Mapping[str, Measurement],
    number: int,
    stage: int = 0,
    stage_started: int = START,
    weight: float = 50,
    interval: int = 30_000,
    history: Mapping[str, History] | None = None,
    **other: Any,
) -> MetricsCollected:
    """The look of that number (from 1) of a run that began at START."""
    end = START + number * interval
    window = Window(begin=end - interval, end=end)
    return MetricsCollected(
        run=RUN,
        follows=0 if number == 1 else end - interval,
        end=end,
        step=2 * stage + 1,
        stage=stage,
        stage_started=stage_started,
        weight=weight,
        plan="digest",
        metrics={
            name: measured.model_copy(update={"window": window}) if measured.status == "ok" else measured
            for name, measured in metrics.items()
        },
        history=dict(history or {}),
        **other,
    )


def only(metrics: tuple[MetricVerdict, ...], name: str = "errors") -> MetricVerdict:
    return next(metric for metric in metrics if metric.name == name)
