"""Which metrics of a plan have a part beyond their own judgement."""

from functools import lru_cache

from serinus_contracts.plan import AnalysisPlan

from serinus_judging.sequential.layout import ByDigest


def requests(plan: AnalysisPlan) -> int:
    """Index of the metric whose trials are requests.

    A share without lag, rather one where lower is better, else a distribution, else the first.
    """
    return _roles(ByDigest(plan))[0]


def gating(plan: AnalysisPlan) -> tuple[int, ...]:
    """Indexes of the metrics that a proof gate wants shown: the critical ones, or all where none is."""
    return _roles(ByDigest(plan))[1]


@lru_cache(maxsize=4096)
def _roles(plan: ByDigest) -> tuple[int, tuple[int, ...]]:
    metrics = plan.plan.metrics
    plain = [i for i, m in enumerate(metrics) if m.source.kind == "proportion" and m.count == "share" and not m.lag]
    order = [i for i in plain if metrics[i].better == "lower"] + plain
    order += [i for i, m in enumerate(metrics) if m.source.kind == "distribution"]
    critical = tuple(i for i, m in enumerate(metrics) if m.critical)
    return (order or [0])[0], critical or tuple(range(len(metrics)))
