"""What is tested, as arrays: channels (one count each), tests (one side of a channel), rows (alternatives of a test).

A snapshot is judged by a few calls over all rows of all tests, without a Python loop. Rows of an abort test: 8
alternatives, then 3 x 12 of the interval; of a proceed test: 3 alternatives, 5 unused, then 3 x 12.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serinus_judging.arrays import Bools, Floats, Index
from serinus_judging.sequential import eprocess, evalue, interval

PLAIN = eprocess.ABORT_PSI.size
"""Rows of a test before those of its interval."""


@dataclass(frozen=True, eq=False)
class Channels:
    """The constants of C channels; the first `abort` of them can abort, those in `proceed` have a part in proceeding.

    ratio, absolute: the margin; falling: events are good (higher is better); rate: events may exceed trials;
    unpaired: 1 where events follow trials of earlier windows, else 0; odds: shares among those, which never exceed 1;
    stages: how many the plan has; proportion: which of the metrics that are counted by pod each is of, -1 for none;
    strata: of each metric with a segment its channel, and the first and the end of those of its strata; alone (A,): ln
    of the share of the error probability that each channel has when it is judged by itself.
    """

    ratio: Floats
    absolute: Floats
    falling: Bools
    rate: Bools
    unpaired: Floats
    odds: Bools
    abort: int
    proceed: Index
    stages: int
    proportion: Index
    strata: tuple[tuple[int, int, int], ...]
    alone: Floats

    @property
    def count(self) -> int:
        """How many channels there are."""
        return len(self.ratio)

    @cached_property
    def places(self) -> Bools:
        """The channels of strata."""
        found = np.zeros(self.count, dtype=bool)
        for _, first, end in self.strata:
            found[first:end] = True
        return found

    @cached_property
    def noise_from(self) -> Index | None:
        """Whose noise each channel has: strata that of their metric's channel; None where there are none."""
        if not self.strata:
            return None
        found = np.arange(self.count)
        for whole, first, end in self.strata:
            found[first:end] = whole
        return found

    @cached_property
    def stage_shares(self) -> Floats:
        """As `eprocess.stage_shares` of the plan's stages."""
        return eprocess.stage_shares(self.stages)

    @cached_property
    def some_unpaired(self) -> bool:
        """Whether any channel is unpaired."""
        return bool(self.unpaired.any())

    @cached_property
    def some_odds(self) -> bool:
        """Whether any channel has odds."""
        return bool(self.odds.any())

    @cached_property
    def share(self) -> Floats:
        """1 for shares, 0 for rates."""
        result: Floats = np.where(self.rate & ~self.odds, 0.0, 1.0)
        return result

    @cached_property
    def proportions(self) -> int:
        """How many metrics are counted by pod."""
        return int(self.proportion.max(initial=-1)) + 1

    @cached_property
    def by_pod(self) -> Index:
        """The channels of such metrics."""
        return np.flatnonzero(self.proportion >= 0)

    @cached_property
    def proportion_of(self) -> Index:
        """Their metrics."""
        return self.proportion[self.by_pod]

    @cached_property
    def bounded(self) -> Floats:
        """Per metric that is counted by pod: 1 where events cannot exceed their trials, else 0."""
        return np.where(self.rate[self.first_by_pod], 0.0, 1.0)

    @cached_property
    def first_by_pod(self) -> Index:
        """The first channel of each such metric."""
        return np.array([np.argmax(self.proportion == i) for i in range(self.proportions)], dtype=np.intp)

    @cached_property
    def sign(self) -> Floats:
        """1, or -1 where higher is better."""
        result: Floats = np.where(self.falling, -1.0, 1.0)
        return result

    @cached_property
    def late(self) -> tuple[Floats, Floats]:
        """share and sign of the channels in `proceed`."""
        return self.share[self.proceed], self.sign[self.proceed]

    @cached_property
    def constants(self) -> tuple[tuple[float, float, bool, bool], ...]:
        """ratio, absolute, falling and rate of each channel as plain numbers."""
        columns = (v.tolist() for v in (self.ratio, self.absolute, self.falling, self.rate))
        return tuple(zip(*columns, strict=True))

    @cached_property
    def tests(self) -> "Tests":
        """What is tested on these channels."""
        return Tests.of(self)


@dataclass(frozen=True, eq=False)
class Part:
    """The tests of one form: their index and channel (tests,), their margin (tests, 1) and lambda (tests, J)."""

    form: int
    index: Index
    channel: Index
    ratio: Floats
    absolute: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)
class Tests:
    """The constants of S = A + P tests: for each of the first A channels whether to abort, then whether to proceed.

    channel, ratio, absolute (S,): whose counts, which margin; scale, psi (J, S): lambda and alternative per row; psi of
    the first three rows of a proceed test depends on the snapshot. prior (8, S): ln of the rows' weights, NEVER if
    unused; start (J, S): rows before the first snapshot; worse (S,): an abort test; grid (12, S): lambda in the order
    of growing harm; table (S,): for `interval.bounds`; at_least (S,): the interval's rows test "at least" on a share.
    """

    channel: Index
    ratio: Floats
    absolute: Floats
    scale: Floats
    psi: Floats
    prior: Floats
    start: Floats
    worse: Bools
    grid: Floats
    table: Index
    at_least: Bools
    parts: dict[bytes, tuple[Part, ...]]

    @classmethod
    def of(cls, channels: Channels) -> "Tests":
        """The constants of the channels' tests."""
        channel = np.concatenate([np.arange(channels.abort), channels.proceed]).astype(np.intp)
        tests = len(channel)
        worse = np.arange(tests) < channels.abort
        falling = channels.falling[channel]
        grid = np.where(falling, interval.GRID[::-1, None], interval.GRID[:, None])
        lam, psi, prior = np.ones((PLAIN, tests)), np.ones((PLAIN, tests)), np.full((PLAIN, tests), eprocess.NEVER)
        psi[:, worse], prior[:, worse] = eprocess.ABORT_PSI[:, None], eprocess.ABORT_PRIOR[:, None]
        prior[: eprocess.PROCEED_ROWS, ~worse] = -np.log(eprocess.PROCEED_ROWS)
        shown = np.where(worse, interval.WORSE_PSI[:, None], interval.BETTER_PSI[:, None])
        lam = np.concatenate([lam, np.tile(grid, (3, 1))])
        psi = np.concatenate([psi, np.repeat(shown, interval.GRID.size, axis=0)])
        start = np.where(worse, eprocess.NEVER, np.zeros((len(psi), 1)))
        return cls(
            channel=channel,
            ratio=channels.ratio[channel],
            absolute=channels.absolute[channel],
            scale=lam,
            psi=np.where(falling, 1 / psi, psi),
            prior=prior,
            start=start,
            worse=worse,
            grid=grid,
            table=interval.tables(worse, falling),
            at_least=(falling == worse) & ~channels.rate[channel],
            parts={},
        )

    @cached_property
    def psi_by_test(self) -> Floats:
        """`psi` as (S, J)."""
        return np.ascontiguousarray(self.psi.T)

    def prior_of(self, dimensions: int) -> Floats:
        """`prior` for states with so many dimensions after the rows: (8, 1, ..., S)."""
        return self.prior if dimensions == 1 else _spread(self.prior, dimensions)

    def grid_of(self, dimensions: int) -> Floats:
        """`grid` likewise."""
        return self.grid if dimensions == 1 else _spread(self.grid, dimensions)

    def start_of(self, dimensions: int) -> Floats:
        """`start` likewise."""
        return self.start if dimensions == 1 else _spread(self.start, dimensions)

    def split(self, rare: Bools, channels: Channels) -> tuple[Part, ...]:
        """The tests grouped by form; rare (C,): which channels' rates are (`value.is_rare`).

        What was found before is kept, since it hardly changes from snapshot to snapshot.
        """
        key = rare.tobytes()
        known = self.parts.get(key)
        if known is None:
            own = evalue.form(rare, channels.ratio, channels.absolute)[self.channel]
            known = tuple(
                Part(
                    int(form),
                    index,
                    self.channel[index],
                    self.ratio[index, None],
                    self.absolute[index, None],
                    self.scale.T[index],
                )
                for form, index in ((form, np.flatnonzero(own == form)) for form in evalue.Form)
                if index.size
            )
            if len(self.parts) >= 256:
                self.parts.clear()
            self.parts[key] = known
        return known


def _spread(rows: Floats, dimensions: int) -> Floats:
    return rows.reshape(len(rows), *(1,) * (dimensions - 1), -1)
