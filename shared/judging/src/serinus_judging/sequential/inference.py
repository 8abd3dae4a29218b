"""From the state of the channels to what is known of each metric: evidence both ways, interval, blame."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from serinus_contracts import AnalysisPlan

from serinus_judging.arrays import Floats
from serinus_judging.sequential import baseline, combination, eprocess, interval
from serinus_judging.sequential.channels import PLAIN, Channels
from serinus_judging.sequential.layout import Layout
from serinus_judging.sequential.state import State


class Inference(NamedTuple):
    """What one run's state says.

    log_total (S,): ln M of the abort tests, then ln N of the proceed tests; bound (S,): of the ratio to the margin,
    from below for an abort test where lower is better, NaN where there is none; groups: ln M of metrics, then
    limits; combined: of all together; threshold: from where on it aborts; non_inferior: per metric, kept within the
    margin in this stage; regressed: indexes of groups, strongest first, empty unless `combined` reaches the threshold;
    worse: groups of which a channel reaches it by itself, whatever the weight of its group, so that its interval lies
    beyond the margin.
    """

    log_total: Floats
    bound: Floats
    groups: tuple[float, ...]
    combined: float
    threshold: float
    non_inferior: tuple[bool, ...]
    regressed: tuple[int, ...]
    worse: tuple[int, ...]

    @property
    def aborts(self) -> bool:
        """Whether the evidence of all together is enough."""
        return self.combined >= self.threshold

    @property
    def may_proceed(self) -> bool:
        """Whether no evidence speaks against it: not halfway to an abort, and nothing worse by itself."""
        return not self.halfway and not self.worse

    @property
    def halfway(self) -> bool:
        """Halfway to an abort: nothing proceeds from here."""
        return self.combined >= self.threshold / 2

    @property
    def quarter(self) -> bool:
        """A quarter of the way: too little to hold a gate for, too much to speak of no sign."""
        return self.combined >= self.threshold / 4


def infer(layout: Layout, state: State, plans: Sequence[AnalysisPlan]) -> list[Inference]:
    """What each run of a stacked state says."""
    thresholds = [_levels(plan) for plan in plans]
    bar = np.stack([_thresholds(layout.channels, *each) for each in thresholds])
    total, bound, groups, combined = evidence_of(layout, state, bar)
    return [
        _concluded(layout, total[i], bound[i], groups[i], both, *thresholds[i])
        for i, both in enumerate(combined.tolist())
    ]


def evidence_of(layout: Layout, state: State, bar: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """ln M and ln N (..., S), bounds (..., S), ln M of groups (..., G) and of all together (...); bar (..., S)."""
    channels = layout.channels
    tests = channels.tests
    log_unspent = eprocess.log(state.unspent_prior)
    total = eprocess.log_total(state.rows[:PLAIN], tests.prior_of(state.unspent_prior.ndim), log_unspent)
    groups = combination.group_evidence(total[..., : channels.abort], layout.log_share, layout.first)
    found = interval.refuted(state.rows[PLAIN:], log_unspent, bar)
    # a share cannot be 1 or more: there "at least so much" counts as refuted
    edge = (channels.ratio * baseline.predicted(state.past) + channels.absolute).take(tests.channel, axis=-1)
    found |= (tests.grid_of(state.unspent_prior.ndim) * edge >= 1) & tests.at_least
    bound = interval.bounds(found, total >= bar, tests.table, tests.worse)
    return total, bound, groups, combination.combined(groups, layout.log_weight)


def _concluded(
    layout: Layout,
    total: Floats,
    bound: Floats,
    groups: Floats,
    combined: float,
    threshold: float,
    non_inferior_at: float,
) -> Inference:
    """What is known of one run from its numbers."""
    channels = layout.channels
    strongest = combination.strongest(total[: channels.abort] + channels.alone, layout.first)
    log_n: list[float] = total[channels.abort :].tolist()
    return Inference(
        log_total=total,
        bound=bound,
        groups=tuple(groups.tolist()),
        combined=combined,
        threshold=threshold,
        non_inferior=tuple(
            [
                n > 0 and min(log_n[i : i + n]) >= non_inferior_at
                for i, n in zip(layout.proceed_first, layout.proceed_size, strict=True)
            ]
        ),
        regressed=combination.regressed(groups, layout.log_weight, threshold) if combined >= threshold else (),
        worse=tuple(np.flatnonzero(strongest >= threshold).tolist()),
    )


def _levels(plan: AnalysisPlan) -> tuple[float, float]:
    """From which ln M on a run aborts, and from which ln N on a metric is shown to keep its margin."""
    return combination.log_threshold(plan.false_abort_rate), combination.log_threshold(plan.false_promote_rate)


@lru_cache(maxsize=256)
def _thresholds(channels: Channels, threshold: float, non_inferior_at: float) -> Floats:
    bar = np.where(channels.tests.worse, threshold, non_inferior_at)
    bar[: channels.abort] -= channels.alone
    return bar
