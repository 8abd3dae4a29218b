"""From the state of the channels to what is known of each metric: evidence both ways, interval, blame."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from serinus_contracts import AnalysisPlan

from serinus_judging.arrays import Floats
from serinus_judging.sequential import baseline, combination, eprocess, interval
from serinus_judging.sequential.channels import PLAIN, Tests
from serinus_judging.sequential.layout import Layout
from serinus_judging.sequential.state import State


class Weighed(NamedTuple):
    """What one run's state says.

    log_total (S,): ln M of the abort tests, then ln N of the proceed tests; bound (S,): of the ratio to the margin,
    from below for an abort test where lower is better, NaN where there is none; groups: ln M of metrics, then
    limits; combined: of all together; enough: from where on it aborts; shown: per metric, kept within the margin in
    this stage; regressed: indexes of groups, strongest first, empty unless `combined` is enough.
    """

    log_total: Floats
    bound: Floats
    groups: tuple[float, ...]
    combined: float
    enough: float
    shown: tuple[bool, ...]
    regressed: tuple[int, ...]

    @property
    def aborts(self) -> bool:
        return self.combined >= self.enough

    @property
    def leans(self) -> bool:
        """Halfway to an abort: nothing proceeds from here."""
        return self.combined >= self.enough / 2

    @property
    def hints(self) -> bool:
        """A quarter of the way: too little to hold a gate for, too much to speak of no sign."""
        return self.combined >= self.enough / 4


def weigh(layout: Layout, state: State, plan: AnalysisPlan) -> Weighed:
    """What one run's state says."""
    enough, shown_at = _levels(plan)
    total, bound, groups, combined = weighed(layout, state, _bars(layout.channels.tests, enough, shown_at))
    return concluded(layout, total, bound, groups, float(combined), enough, shown_at)


def weigh_all(layout: Layout, state: State, plans: Sequence[AnalysisPlan]) -> list[Weighed]:
    """What each run of a stacked state says."""
    tests = layout.channels.tests
    bars = [_levels(plan) for plan in plans]
    bar = np.stack([_bars(tests, *each) for each in bars])
    total, bound, groups, combined = weighed(layout, state, bar)
    return [
        concluded(layout, total[i], bound[i], groups[i], both, *bars[i]) for i, both in enumerate(combined.tolist())
    ]


def weighed(layout: Layout, state: State, bar: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """ln M and ln N (..., S), bounds (..., S), ln M of groups (..., G) and of all together (...); bar (..., S)."""
    channels = layout.channels
    tests = channels.tests
    log_cash = eprocess.log(state.cash)
    total = eprocess.log_total(state.rows[:PLAIN], tests.prior_of(state.cash.ndim), log_cash)
    groups = combination.group_evidence(total[..., : channels.abort], layout.log_share, layout.first)
    found = interval.refuted(state.rows[PLAIN:], log_cash, bar)
    # a share cannot be 1 or more: there "at least so much" counts as refuted
    edge = (channels.ratio * baseline.predicted(state.past) + channels.absolute).take(tests.channel, axis=-1)
    found |= (tests.grid_of(state.cash.ndim) * edge >= 1) & tests.at_least
    bound = interval.bounds(found, total >= bar, tests.table, tests.worse)
    return total, bound, groups, combination.combined(groups, layout.log_weight)


def concluded(
    layout: Layout, total: Floats, bound: Floats, groups: Floats, combined: float, enough: float, shown_at: float
) -> Weighed:
    """What is known of one run from its numbers."""
    log_n: list[float] = total[layout.channels.abort :].tolist()
    return Weighed(
        log_total=total,
        bound=bound,
        groups=tuple(groups.tolist()),
        combined=combined,
        enough=enough,
        shown=tuple([min(log_n[i : i + n]) >= shown_at for i, n in zip(layout.proceed_first, layout.size)]),  # noqa: B905
        regressed=combination.blamed(groups, layout.log_weight, enough) if combined >= enough else (),
    )


def _levels(plan: AnalysisPlan) -> tuple[float, float]:
    """From which ln M on a run aborts, and from which ln N on a metric is shown to keep its margin."""
    return combination.bar(plan.false_abort_rate), combination.bar(plan.false_promote_rate)


@lru_cache(maxsize=256)
def _bars(tests: Tests, enough: float, shown_at: float) -> Floats:
    return np.where(tests.worse, enough, shown_at)
