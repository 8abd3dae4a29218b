"""The interval shown to people, for the ratio u of the canary's rate to its margin: 1 is the margin itself.

It is the set of ratios that the same evidence does not refute (docs/explanation/judging.md, "Interval"), so it cannot
disagree with the verdict: a channel shown within its margin has u < 1, one that an abort rests on u > 1. One side of
it comes from rows that test "at most lambda times the margin" with the run's evidence, the other from rows that test
"at least lambda times the margin" with the stage's.
"""

import numpy as np

from serinus_judging.arrays import Bools, Floats, Index

GRID = np.array([0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0])
"""lambda, in the order of growing harm; where higher is better it is read from the end."""
BELOW = 6
"""How many of GRID are below 1."""
WORSE_PSI = np.array([1.25, 2.0, 5.0])
BETTER_PSI = np.array([0.8, 0.5, 0.2])
ROWS = 3 * GRID.size
"""Rows of one test: for each of three alternatives all lambda."""


def refuted(rows: Floats, log_unspent: Floats, bar: Floats) -> Bools:
    """Which lambda are refuted: rows (36, ...) of tests, log_unspent (...), bar (...) -> (12, ...).

    The mean over the three alternatives and the unspent prior, as in `eprocess.log_total`, compared with the bar in
    units of it.
    """
    scaled = np.exp(np.minimum(rows - bar, 50.0))
    third = len(rows) // 3
    mean = (scaled[:third] + scaled[third : 2 * third] + scaled[2 * third :]) / 3
    result: Bools = mean + np.exp(log_unspent - bar) >= 1
    return result


def bounds(found: Bools, beyond: Bools, table: Index, worse: Bools) -> Floats:
    """The bound of u that each test's rows prove, NaN where they prove none.

    found (12, ...): refuted lambda, in the order of growing harm; beyond (...): the margin itself is refuted by the
    same evidence; table (...): of `tables`; worse (...): the rows prove at least so much harm, else at most so much.
    Beyond the margin the bound is the last ratio refuted without a break from 1 on, else the last one without a
    break from the far end of the grid.
    """
    in_order = np.where(worse, found, found[::-1])
    part = np.where(beyond, in_order[BELOW:], in_order[:BELOW])
    steps = np.logical_and.accumulate(part, axis=0).sum(axis=0)
    steps += (BELOW + 1) * beyond
    steps += table
    result: Floats = _TABLES.take(steps)
    return result


def tables(worse: Bools, falling: Bools) -> Index:
    """Where the bounds of each test are read; falling: higher is better, harm grows as u falls."""
    return (2 * worse.astype(np.intp) + falling) * _WIDTH


def _table(worse: bool, falling: bool) -> Floats:
    order = GRID if worse != falling else GRID[::-1]
    return np.concatenate([[np.nan], order[:BELOW], [1.0], order[BELOW:]])


_WIDTH = GRID.size + 2
_TABLES = np.concatenate([_table(worse, falling) for worse in (False, True) for falling in (False, True)])
