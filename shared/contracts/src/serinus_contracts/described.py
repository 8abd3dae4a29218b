"""A verdict with what was told when it was described last (docs/adr/0109).

Between two described evaluations a verdict has of each metric the channel that tells most, and nothing that seldom
changes or only describes. Whoever shows more takes it from the last verdict of its stage that had it.
"""

from collections.abc import Iterable
from math import inf, nextafter
from typing import Any

from serinus_contracts.events import Channel, Finding, MetricVerdict, VerdictReached

DESCRIPTIONS = ("statistics", "comparison", "trend", "business", "outlier")
"""Kinds of findings that decide nothing and are told only now and then; all others stand in every verdict."""
SELDOM = (
    "visible_slowdown", "dispersion", "correlation", "left_out", "detectable_rate", "segment", "segments",
)  # fmt: skip
"""Fields of a metric that stand in described verdicts alone."""


def whole(said: VerdictReached, before: VerdictReached | None) -> VerdictReached:
    """A verdict with what it leaves out as it was told by one before, in the same stage of the run; itself where it is
    described, or nothing of its stage is known."""
    if said.described or before is None or before.stage_started != said.stage_started:
        return said
    known = {metric.name: metric for metric in before.metrics}
    metrics = tuple([_whole(one, known[one.name]) if one.name in known else one for one in said.metrics])
    return said.model_copy(update={"metrics": metrics, "findings": _findings(said, before)})


def whole_in_order(said: Iterable[VerdictReached]) -> list[VerdictReached]:
    """Verdicts of one run, oldest first, each with what it leaves out as those before it told.

    Channels that it does not tell itself have numbers of an earlier evaluation: who lists numbers by time takes them
    from the verdicts as they were told.
    """
    found: list[VerdictReached] = []
    for one in said:
        found.append(whole(one, found[-1] if found else None))
    return found


def _findings(said: VerdictReached, before: VerdictReached) -> tuple[Finding, ...]:
    known = {(one.kind, one.metric) for one in said.findings}
    return said.findings + tuple(
        one
        for one in before.findings
        if one.kind in DESCRIPTIONS and not one.decides and (one.kind, one.metric) not in known
    )


def _whole(metric: MetricVerdict, before: MetricVerdict) -> MetricVerdict:
    seldom = MetricVerdict.model_fields
    update: dict[str, Any] = {
        name: getattr(before, name) for name in SELDOM if getattr(metric, name) == seldom[name].get_default()
    }
    return metric.model_copy(update=update | _channels(metric, before))


def _channels(metric: MetricVerdict, before: MetricVerdict) -> dict[str, Any]:
    """All channels of before, with the numbers of those that the metric has now.

    The metric has those that tell most, so of the others no more is known than that they tell less: evidence that was
    more must not make an old channel, with its old counts, the one that is shown.
    """
    now = {identity(channel): i for i, channel in enumerate(metric.run)}
    if not metric.run or len(before.run) <= len(metric.run) or not now.keys() <= set(map(identity, before.run)):
        return {}
    run, stage = list(before.run), list(before.stage)
    most = max(channel.log_eprocess for channel in metric.run)
    for place, channel in enumerate(before.run):
        if channel.log_eprocess > most:
            run[place] = channel.model_copy(update={"log_eprocess": nextafter(most, -inf)})
        if (here := now.get(identity(channel))) is not None:
            run[place] = metric.run[here]
            stage[2 * place : 2 * place + 2] = metric.stage[2 * here : 2 * here + 2]
    return {"run": tuple(run), "stage": tuple(stage)}


def identity(channel: Channel) -> tuple[object, ...]:
    """What tells it from the metric's others: edges, and whether it is tested for the abort or for the gate."""
    edges = channel.quantile, channel.canary_edge, channel.stable_edge, channel.stable_part
    return (*edges, channel.log_eprocess_non_inferior is None)
