"""One snapshot folded into the evidence of all channels at once.

Rows first, channels or tests last, and any shape in between: the benchmark folds thousands of runs with the very code
that judges one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from serinus_judging.arrays import Bools, Floats, Ints
from serinus_judging.sequential import baseline, eprocess, evalue, overdispersion, run_noise, strata
from serinus_judging.sequential.channels import PLAIN, Channels

NO_STAGE = -1


@dataclass(frozen=True, eq=False)
class State:
    """Evidence of C channels in S tests.

    past (2, ..., C): discounted events and trials of stable; clock (3, ..., C): stage of the last counted snapshot, the
    highest stage so far, counted snapshots in it (0 in a stage that was left and entered again); rows (J, ..., S):
    ln e-process, those of the interval rounded to single precision; unspent_prior (..., S): of onsets still to come;
    run, stage (4, ..., C): counts x, n, y, m over the run and over the stage. Of U units of stable's pods in M metrics
    that are counted by pod: pods (2, ..., U, M): how far each is from what was due to it in the run, and the variance
    of that; dispersion (4, ..., M): sum of squares and its degrees of freedom over single snapshots, then over the run.
    adjacent (4, ..., C): stable's events and trials since the last snapshot that was compared with its neighbour, sum
    and number of ratios.
    """

    past: Floats
    clock: Ints
    rows: Floats
    unspent_prior: Floats
    run: Floats
    stage: Floats
    pods: Floats
    dispersion: Floats
    adjacent: Floats

    @classmethod
    def empty(cls, channels: Channels, shape: tuple[int, ...] = ()) -> "State":
        """No evidence, nothing known of stable."""
        tests, c = channels.tests, channels.count
        clock = np.zeros((3, *shape, c), dtype=np.int64)
        clock[:2] = NO_STAGE
        start = tests.start_of(1 + len(shape))
        return cls(
            past=np.zeros((2, *shape, c)),
            clock=clock,
            rows=np.array(np.broadcast_to(start, (len(start), *shape, start.shape[-1]))),
            unspent_prior=np.array(np.broadcast_to(tests.worse.astype(np.float64), (*shape, len(tests.worse)))),
            run=np.zeros((4, *shape, c)),
            stage=np.zeros((4, *shape, c)),
            pods=np.zeros((2, *shape, run_noise.UNITS, channels.proportions)),
            dispersion=np.zeros((4, *shape, channels.proportions)),
            adjacent=np.zeros((4, *shape, c)),
        )

    @classmethod
    def stacked(cls, states: "Sequence[State]") -> "State":
        """Many runs of the same channels as one state of shape (R,)."""
        arrays = {name: _stack([getattr(state, name) for state in states], axis=1) for name in _ROWS_FIRST}
        return cls(unspent_prior=_stack([state.unspent_prior for state in states]), **arrays)

    def run_of(self, i: int) -> "State":
        """One run of a stacked state, with memory of its own."""
        rows_first = {name: getattr(self, name)[:, i].copy() for name in _ROWS_FIRST}
        return State(unspent_prior=self.unspent_prior[i].copy(), **rows_first)


_ROWS_FIRST = ("past", "clock", "rows", "run", "stage", "pods", "dispersion", "adjacent")


@dataclass(frozen=True, eq=False)
class SnapshotCounts:
    """Counts (4, ..., C) of one snapshot as x of n canary, y of m stable; windows of so many seconds (..., C).

    valid (..., C): which may be judged; what is not must hold harmless numbers. stage (...): index into the plan's
    stages; fresh (...): the stage just began, so that what belongs to a stage starts anew. phi, kappa and lasting
    (..., C): the stage's noise, measured (..., C) or assumed. pods (2, ..., U, M): events and trials of stable's pods,
    None where no source knows them.
    """

    counts: Floats
    valid: Bools
    seconds: Floats
    stage: Ints
    fresh: Bools
    phi: Floats
    kappa: Floats
    lasting: Floats
    measured: Bools
    pods: Floats | None = None

    @classmethod
    def stacked(cls, snapshots: "Sequence[SnapshotCounts]") -> "SnapshotCounts":
        """Of many runs of the same channels."""
        known = next((snapshot.pods for snapshot in snapshots if snapshot.pods is not None), None)
        pods = None
        if known is not None:
            none = np.zeros(known.shape)
            pods = _stack([none if snapshot.pods is None else snapshot.pods for snapshot in snapshots], axis=1)
        per_run = {name: _stack([getattr(snapshot, name) for snapshot in snapshots]) for name in _PER_RUN}
        return cls(counts=_stack([snapshot.counts for snapshot in snapshots], axis=1), pods=pods, **per_run)


def _stack(arrays: list[npt.NDArray[Any]], axis: int = 0) -> npt.NDArray[Any]:
    """np.stack, but a view of what is alone: many small copies are what one run costs."""
    return np.stack(arrays, axis=axis) if len(arrays) > 1 else np.expand_dims(arrays[0], axis)


_PER_RUN = ("valid", "seconds", "stage", "fresh", "phi", "kappa", "lasting", "measured")


def updated(channels: Channels, state: State, snapshot: SnapshotCounts) -> State:
    """The state after the snapshot. A channel whose snapshot is not valid is untouched but for the start of a stage."""
    counts, valid, tests = snapshot.counts, snapshot.valid, channels.tests
    counted = valid & (state.past[1] > 0)
    all_counted = bool(counted.all())
    clock = _clock(state.clock, snapshot.stage)
    if not all_counted:
        clock = np.where(counted, clock, state.clock)
    evidence = _log_evalues(channels, state, snapshot)
    seen = counts if all_counted or valid.all() else np.where(valid, counts, 0.0)
    rows, stage = state.rows, state.stage
    if snapshot.fresh.any():
        rows = np.where(snapshot.fresh[..., None] & ~tests.worse, tests.start_of(state.unspent_prior.ndim), rows)
        stage = np.where(snapshot.fresh[..., None], 0.0, stage)
    onsets = slice(channels.abort)  # proceed tests, the others, have none
    shares = channels.stage_shares.take(snapshot.stage, axis=1, mode="clip")[..., None]
    number = (clock[2] * counted)[..., onsets]
    unspent = state.unspent_prior.copy()
    spent = eprocess.onset_weight(shares, number, unspent[..., onsets])
    unspent[..., onsets] -= spent
    after = rows + evidence
    after[..., onsets] = eprocess.updated(rows[..., onsets], eprocess.log(spent), evidence[..., onsets])
    after[PLAIN:] = after[PLAIN:].astype(np.float32)
    if not all_counted:
        after = np.where(counted.take(tests.channel, axis=-1), after, rows)
    pods, dispersion, adjacent = state.pods, state.dispersion, state.adjacent
    if snapshot.pods is not None:
        pods, dispersion = run_noise.with_pods(
            channels, pods, dispersion, snapshot.pods, baseline.predicted(state.past), snapshot.phi, snapshot.measured
        )
    if channels.strata or not snapshot.measured.all():
        adjacent = run_noise.with_adjacent(channels, adjacent, counts, valid & (~snapshot.measured | channels.places))
    return State(
        pods=pods,
        dispersion=dispersion,
        adjacent=adjacent,
        past=baseline.remembered(state.past, counts[2:], snapshot.seconds, valid),
        clock=clock,
        rows=after,
        unspent_prior=unspent,
        run=state.run + seen,
        stage=stage + seen,
    )


def noise_of(
    channels: Channels, state: State, snapshot: SnapshotCounts, b: Floats, edge: Floats
) -> tuple[Floats, Floats]:
    """phi and kappa (..., C) by which the snapshot's evidence is divided: fixed before it is counted, but for how many
    requests there are. b, edge: stable's rate as predicted, and the margin there."""
    _, n, _, m = snapshot.counts
    total = n + m
    spread = n * m / (total * total)
    phi, kappa = run_noise.effective(
        channels, state.dispersion, state.adjacent,
        snapshot.phi, snapshot.kappa, snapshot.measured, (n * edge + m * b) * spread, spread,
    )  # fmt: skip
    if channels.strata:
        phi = run_noise.of_places(channels, state.adjacent, phi)
    if snapshot.lasting.any():
        phi = overdispersion.lasting(phi, snapshot.lasting, state.run[0] + state.run[2], spread)
    if channels.some_unpaired:
        phi = overdispersion.unpaired(phi, b, channels.unpaired)
    return phi, kappa


def _log_evalues(channels: Channels, state: State, snapshot: SnapshotCounts) -> Floats:
    """Tempered ln e of all rows, (J, ..., S)."""
    tests, counts, p = channels.tests, snapshot.counts, channels.proceed
    b = baseline.predicted(state.past)
    edge = channels.ratio * b + channels.absolute
    noise = noise_of(channels, state, snapshot, b, edge)
    divisors = overdispersion.divisors(counts, b, edge, *noise, ~snapshot.measured)
    rare = evalue.is_rare(b, edge, channels.rate)
    dynamic = eprocess.proceed_psi(b.take(p, axis=-1), edge.take(p, axis=-1), *channels.late)
    columns = np.concatenate((counts, b[None]))
    alone = prod(b.shape[:-1]) == 1
    gain = (_one if alone else _many)(channels, columns, rare, dynamic)
    if channels.strata:
        gain = strata.with_strata(channels, gain, counts, state.past, snapshot.valid, dynamic)
    return overdispersion.tempered(gain, *divisors.take(tests.channel, axis=-1))


def _one(channels: Channels, columns: Floats, rare: Bools, dynamic: Floats) -> Floats:
    """ln e of all rows (J, ..., S) for one run: one evaluation per form. columns (5, ..., C): x, n, y, m, b.

    Evaluated with tests first: what is the same for all rows of a test then lies along numpy's outer loop.
    """
    tests, shape = channels.tests, rare.shape[:-1]
    columns, rare, dynamic = columns.reshape(5, -1), rare.ravel(), dynamic.reshape(len(dynamic), -1)
    psi = tests.psi_by_test.copy()
    psi[channels.abort :, : eprocess.PROCEED_ROWS] = dynamic.T
    out = np.empty(psi.shape)
    for part in tests.split(rare, channels):
        x, n, y, m, b = columns.take(part.channel, axis=1)[..., None]
        own = psi.take(part.index, axis=0)
        if channels.some_odds and part.form in evalue.POISSON_FORMS:
            odds = channels.odds.take(part.channel)[:, None]
            own = np.where(odds, evalue.of_rates(own, b, part.ratio, part.absolute, part.scale), own)
        out[part.index] = evalue.log_evalue_by_form(
            part.form, x, n, y, m, b, part.ratio, part.absolute, part.scale, own
        )
    return np.ascontiguousarray(out.T).reshape(len(tests.psi), *shape, -1)


def _many(channels: Channels, columns: Floats, rare: Bools, dynamic: Floats) -> Floats:
    """The same for many runs (J, ..., S), all runs and tests of one form together. columns (5, ..., C)."""
    tests = channels.tests
    count, size = channels.count, len(tests.channel)
    runs = prod(rare.shape[:-1])
    forms = (
        evalue.form(rare, channels.ratio, channels.absolute).reshape(runs, count).take(tests.channel, axis=1).ravel()
    )
    flat, changing = columns.reshape(5, -1), dynamic.reshape(len(dynamic), runs, -1)
    out = np.empty((len(tests.psi), runs * size))
    for form in np.unique(forms):
        some = np.flatnonzero(forms == form)
        run, test = np.divmod(some, size)
        psi = tests.psi.take(test, axis=1)
        late = np.flatnonzero(test >= channels.abort)
        psi[: len(dynamic), late] = changing[:, run[late], test[late] - channels.abort]
        x, n, y, m, b = flat.take(run * count + tests.channel[test], axis=1)
        scale = tests.scale.take(test, axis=1)
        if channels.some_odds and form in evalue.POISSON_FORMS:
            odds = channels.odds.take(tests.channel[test])
            psi = np.where(odds, evalue.of_rates(psi, b, tests.ratio[test], tests.absolute[test], scale), psi)
        out[:, some] = evalue.log_evalue_by_form(
            int(form), x, n, y, m, b, tests.ratio[test], tests.absolute[test], scale, psi
        )
    return out.reshape(len(out), *rare.shape[:-1], size)


def _clock(clock: Ints, stage: Ints) -> Ints:
    """The clocks after a snapshot that counts."""
    here = stage[..., None]
    last, top, number = clock
    after = np.empty_like(clock)
    after[0] = here
    np.maximum(top, here, out=after[1])
    after[2] = np.where(last == here, number + (number > 0), here > top)
    return after
