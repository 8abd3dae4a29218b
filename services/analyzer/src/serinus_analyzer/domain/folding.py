"""One look folded into the evidence of all channels at once.

Rows first, channels or tests last, and any shape in between: the benchmark folds thousands of runs with the very code
that judges one.
"""

from dataclasses import dataclass

import numpy as np

from serinus_analyzer.domain import baseline, tempering, value, wealth
from serinus_analyzer.domain.channels import PLAIN, Channels
from serinus_analyzer.domain.tempering import Noise
from serinus_analyzer.domain.value import Bools, Floats, Ints

NO_STAGE = -1


@dataclass(frozen=True, eq=False)
class State:
    """Evidence of C channels in S tests.

    past (2, ..., C): discounted events and trials of stable; clock (3, ..., C): stage of the last counted look, the
    highest stage so far, counted looks in it (0 in a stage that was left and entered again); rows (J, ..., S):
    ln wealth, those of the interval rounded to single precision; cash (..., S): prior weight not yet spent; run,
    stage (4, ..., C): counts x, n, y, m over the run and over the stage.
    """

    past: Floats
    clock: Ints
    rows: Floats
    cash: Floats
    run: Floats
    stage: Floats

    @classmethod
    def empty(cls, channels: Channels, shape: tuple[int, ...] = ()) -> "State":
        """No evidence, nothing known of stable."""
        tests, c = channels.tests, channels.count
        clock = np.zeros((3, *shape, c), dtype=np.int64)
        clock[:2] = NO_STAGE
        start = tests.start.reshape(len(tests.start), *(1,) * len(shape), -1)
        return cls(
            past=np.zeros((2, *shape, c)),
            clock=clock,
            rows=np.array(np.broadcast_to(start, (len(start), *shape, start.shape[-1]))),
            cash=np.array(np.broadcast_to(tests.worse.astype(np.float64), (*shape, len(tests.worse)))),
            run=np.zeros((4, *shape, c)),
            stage=np.zeros((4, *shape, c)),
        )


@dataclass(frozen=True, eq=False)
class Look:
    """Counts (4, ..., C) of one look as x of n canary, y of m stable; windows of so many seconds (..., C).

    valid (..., C): which may be judged; what is not must hold harmless numbers (`harmless`). stage (...): index into
    the plan's stages; fresh (...): the stage just began, so that what belongs to a stage starts anew.
    """

    counts: Floats
    valid: Bools
    seconds: Floats
    stage: Ints
    fresh: Bools

    @classmethod
    def of(cls, counts: Floats, rate: Bools, seconds: Floats, stage: Ints, fresh: Bools) -> "Look":
        """A look from any counts: what is not usable is set aside."""
        valid = value.usable(*counts, rate)
        return cls(counts if valid.all() else np.where(valid, counts, 1.0), valid, seconds, stage, fresh)


def fold(channels: Channels, noise: Noise, state: State, look: Look) -> State:
    """The state after the look. A channel whose look is not valid is untouched but for the start of a stage."""
    counts, valid, tests = look.counts, look.valid, channels.tests
    counted = valid & (state.past[1] > 0)
    clock, weight = _clock(channels, state.clock, look.stage, counted)
    evidence = _values(channels, noise, look, baseline.predicted(state.past))
    seen = counts if valid.all() else np.where(valid, counts, 0.0)
    rows, stage = state.rows, state.stage
    if look.fresh.any():
        start = tests.start.reshape(len(tests.start), *(1,) * look.fresh.ndim, -1)
        rows = np.where(look.fresh[..., None] & ~tests.worse, start, rows)
        stage = np.where(look.fresh[..., None], 0.0, stage)
    spent = weight.take(tests.channel, axis=-1) * tests.once
    after = wealth.grown(rows, wealth.log(spent), evidence)
    after[PLAIN:] = after[PLAIN:].astype(np.float32)
    if not counted.all():
        after = np.where(counted.take(tests.channel, axis=-1), after, rows)
    return State(
        past=baseline.remembered(state.past, counts[2:], look.seconds, valid),
        clock=clock,
        rows=after,
        cash=np.maximum(state.cash - spent, 0.0),
        run=state.run + seen,
        stage=stage + seen,
    )


def _values(channels: Channels, noise: Noise, look: Look, b: Floats) -> Floats:
    """Tempered ln e of all rows, (J, ..., S)."""
    tests, counts, p = channels.tests, look.counts, channels.proceed
    edge = channels.ratio * b + channels.absolute
    floor = noise.phi.take(look.stage, axis=0, mode="clip")
    seen, predicted = tempering.divisors(counts, b, edge, floor, noise.kappa)
    rare = value.is_rare(b, edge, channels.rate)
    dynamic = wealth.proceed_psi(
        b.take(p, axis=-1)[None], edge.take(p, axis=-1)[None], channels.share[p], channels.sign[p]
    )
    if b.ndim > 1:
        gain = _many(channels, counts, b, rare, dynamic)
    else:
        gain = _one(channels, counts, b, rare, dynamic)
    c = tests.channel
    return tempering.tempered(gain, seen.take(c, axis=-1), predicted.take(c, axis=-1))


def _one(channels: Channels, counts: Floats, b: Floats, rare: Bools, dynamic: Floats) -> Floats:
    """ln e of all rows (J, S) for one run: one evaluation per form."""
    tests = channels.tests
    psi = tests.psi.copy()
    psi[: wealth.PROCEED_ROWS, channels.abort :] = dynamic
    columns = np.concatenate((counts, b[None]))
    parts = tests.split(rare, channels)
    out = np.empty(psi.shape)
    for part in parts:
        x, n, y, m, own = columns.take(part.channel, axis=1)
        own_psi = psi if len(parts) == 1 else psi.take(part.index, axis=1)
        out[:, part.index] = value.evaluated(
            part.form, x, n, y, m, own, part.ratio, part.absolute, part.scale, own_psi
        )
    return out


def _many(channels: Channels, counts: Floats, b: Floats, rare: Bools, dynamic: Floats) -> Floats:
    """ln e of all rows (J, ..., S) for many runs: one evaluation per test and form."""
    tests = channels.tests
    out = np.empty((len(tests.psi), *b.shape[:-1], len(tests.channel)))
    forms = value.form(rare, channels.ratio, channels.absolute)
    for test, channel in enumerate(tests.channel):
        kinds = forms[..., channel]
        for form in np.unique(kinds):
            some = kinds == form
            x, n, y, m = counts[:, some, channel]
            psi = np.repeat(tests.psi[:, test, None], x.size, axis=1)
            if test >= channels.abort:
                psi[: wealth.PROCEED_ROWS] = dynamic[:, some, test - channels.abort]
            margin = tests.ratio[test], tests.absolute[test], tests.scale[:, test, None]
            out[:, some, test] = value.evaluated(int(form), x, n, y, m, b[some, channel], *margin, psi)
    return out


def _clock(channels: Channels, clock: Ints, stage: Ints, counted: Bools) -> tuple[Ints, Floats]:
    """The clocks after the look and the weight of an onset now, (..., C)."""
    here = stage[..., None]
    last, top, number = clock
    number = np.where(last == here, number + (number > 0), here > top)
    weight = wealth.onset_weight(channels.stage_shares.take(here, mode="clip"), number)
    after = np.empty_like(clock)
    after[0], after[2] = here, number
    np.maximum(top, here, out=after[1])
    if counted.all():
        return after, weight
    return np.where(counted, after, clock), np.where(counted, weight, 0.0)
