"""From the state of the channels to what is known of each metric: evidence both ways, interval, blame."""

from dataclasses import dataclass

import numpy as np
from serinus_contracts.policy import Budget

from serinus_analyzer.domain import baseline, interval, ledger, wealth
from serinus_analyzer.domain.channels import PLAIN
from serinus_analyzer.domain.folding import State
from serinus_analyzer.domain.layout import Layout
from serinus_analyzer.domain.value import Floats


@dataclass(frozen=True, eq=False)
class Findings:
    """What one run's state says.

    log_total (S,): ln M of the abort tests, then ln N of the proceed tests; bound (S,): of the ratio to the margin,
    from below for an abort test where lower is better, NaN where there is none; groups: ln M of metrics, then
    limits; combined: of all together; enough: from where on it aborts; shown: per metric, kept within the margin in
    this stage; blame: indexes of groups, strongest first, empty unless `combined` is enough.
    """

    log_total: Floats
    bound: Floats
    groups: tuple[float, ...]
    combined: float
    enough: float
    shown: tuple[bool, ...]
    blame: tuple[int, ...]

    @property
    def aborts(self) -> bool:
        return self.combined >= self.enough

    @property
    def leans(self) -> bool:
        """Halfway to an abort: nothing proceeds from here."""
        return self.combined >= self.enough / 2


def weigh(layout: Layout, state: State, budget: Budget) -> Findings:
    """The findings on a run's state."""
    channels = layout.channels
    tests, abort = channels.tests, channels.abort
    enough, shown_at = ledger.bar(budget.false_abort), ledger.bar(budget.false_proceed)
    log_cash = wealth.log(state.cash)
    total = wealth.log_total(state.rows[:PLAIN], tests.prior, log_cash)
    groups = ledger.group_evidence(total[:abort], layout.log_share, layout.first)
    combined = float(ledger.combined(groups, layout.log_weight))
    bar = np.where(tests.worse, enough, shown_at)
    found = interval.refuted(state.rows[PLAIN:], log_cash, bar)
    # a share cannot be 1 or more: there "at least so much" counts as refuted
    edge = (channels.ratio * baseline.predicted(state.past) + channels.absolute)[tests.channel]
    found |= (tests.grid * edge >= 1) & tests.at_least
    log_n = total[abort:].tolist()
    return Findings(
        log_total=total,
        bound=interval.bounds(found, total >= bar, tests.falling, tests.worse),
        groups=tuple(groups.tolist()),
        combined=combined,
        enough=enough,
        shown=tuple(
            min(log_n[first : first + size]) >= shown_at
            for first, size in zip(layout.proceed_first, layout.size, strict=False)
        ),
        blame=ledger.blamed(groups, layout.log_weight, enough) if combined >= enough else (),
    )
