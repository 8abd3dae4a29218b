"""Serinus' judge over thousands of runs at once, with the functions that judge one."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.sequential import calibration, combination, eprocess, run_noise
from serinus_judging.sequential.channels import PLAIN, Channels, Tests
from serinus_judging.sequential.latency import Pair, chosen
from serinus_judging.sequential.layout import Layout, key_of, layout, slots_used
from serinus_judging.sequential.state import SnapshotCounts, State, updated

from benchmarks._drawing import history
from benchmarks._durations import EDGES, shares
from benchmarks._plans import plan_of
from benchmarks._worlds import SECONDS, Bools, Drawn, Floats, World

ALPHA, BETA = 0.01, 0.05
HISTORIES = 20
"""Days of history drawn per world, shared among its runs."""
Known = Literal["known", "assumed", "history", "in run"]
"""The noise: phi = 1 and kappa = 0; assumed, by sources that know neither pods nor history; measured on a day before
the run, and on the run's own pods; measured on those alone."""
BY_POD = ("history", "in run")


@dataclass(frozen=True)
class Outcome:
    """How runs ended: the evaluation (from 1) that aborted, 0 for none; whether the canary was promoted."""

    aborted: np.ndarray
    promoted: Bools

    @classmethod
    def joined(cls, parts: "list[Outcome]") -> "Outcome":
        """Of several batches of runs."""
        return cls(np.concatenate([p.aborted for p in parts]), np.concatenate([p.promoted for p in parts]))


class WithoutInterval(Channels):
    """Channels whose tests keep no rows for the interval, which decides nothing."""

    @cached_property
    def tests(self) -> Tests:
        whole = Tests.of(self)
        return replace(whole, scale=whole.scale[:PLAIN], psi=whole.psi[:PLAIN], start=whole.start[:PLAIN])


class Noises(NamedTuple):
    """What is known of the noise before each run: phi (runs,), kappa and lasting (runs, K); measured or assumed."""

    phi: Floats
    kappa: Floats
    lasting: Floats
    measured: bool

    @classmethod
    def uniform(cls, phi: float, kappa: float, runs: int, stages: int, measured: bool) -> "Noises":
        """The same noise for all runs."""
        return cls(np.full(runs, phi), np.full((runs, stages), kappa), np.zeros((runs, stages)), measured)


@dataclass
class Batch:
    """Many runs of one plan in step: their evidence, and when each was aborted and last shown."""

    layout: Layout
    noise: Noises
    state: State
    aborted: np.ndarray
    shown: Bools
    evaluations: int = 0

    @classmethod
    def of(cls, scheme: Layout, noise: Noises, interval: bool = False) -> "Batch":
        """No evaluations yet."""
        runs = len(noise.phi)
        if not interval:
            known = {each.name: getattr(scheme.channels, each.name) for each in fields(Channels)}
            scheme = replace(scheme, channels=WithoutInterval(**known))
        empty = State.empty(scheme.channels, (runs,))
        return cls(scheme, noise, empty, np.zeros(runs, dtype=int), np.zeros(runs, dtype=bool))

    def evaluate(
        self, counts: Floats, stage: np.ndarray, fresh: Bools, valid: Bools | None = None, pods: Floats | None = None
    ) -> None:
        """The next snapshot: counts (4, runs, C), stage and fresh (runs,), valid (runs,), pods (2, runs, U, M)."""
        channels = self.layout.channels
        runs = np.arange(len(stage))
        shape = counts.shape[1:]
        x, n, y, m = counts
        usable = np.broadcast_to(channels.rate, shape) | ((x <= n) & (y <= m))
        usable = usable & (n > 0) & (m > 0)
        if valid is not None:
            usable = usable & valid[:, None]
        counted = SnapshotCounts(
            counts=np.where(usable, counts, 1.0),
            valid=usable,
            seconds=np.full(shape, SECONDS),
            stage=stage,
            fresh=fresh,
            phi=np.broadcast_to(self.noise.phi[:, None], shape),
            kappa=np.broadcast_to(self.noise.kappa[runs, stage][:, None], shape),
            lasting=np.broadcast_to(self.noise.lasting[runs, stage][:, None], shape),
            measured=np.full(shape, self.noise.measured),
            pods=pods,
        )
        self.state = updated(channels, self.state, counted)
        self.evaluations += 1
        combined, log_n = self.evidence()
        over = (combined >= combination.log_threshold(ALPHA)) & (self.aborted == 0)
        self.aborted[over] = self.evaluations
        self.shown = (log_n >= combination.log_threshold(BETA)) & (combined < combination.log_threshold(ALPHA) / 2)

    def evidence(self) -> tuple[Floats, Floats]:
        """Combined ln M (runs,), and the least ln N of the channels in use (runs,)."""
        channels, tests = self.layout.channels, self.layout.channels.tests
        total = eprocess.log_total(self.state.rows[:PLAIN], tests.prior_of(2), eprocess.log(self.state.unspent_prior))
        groups = combination.group_evidence(total[:, : channels.abort], self.layout.log_share, self.layout.first)
        used = np.concatenate(
            [i + np.arange(n) for i, n in zip(self.layout.proceed_first, self.layout.proceed_size, strict=True)]
        )
        proofs = total[:, channels.abort + used]
        shown = proofs.min(axis=1) if used.size else np.full(len(proofs), -np.inf)
        return combination.combined(groups, self.layout.log_weight), shown


def noise_of(world: World, runs: int, known: Known, seed: int) -> Noises:
    """Of so many runs, which share a few days of history."""
    stages = len(world.weights)
    if known == "known":
        return Noises.uniform(1.0, 0.0, runs, stages, measured=True)
    if known in ("assumed", "in run"):
        return Noises.uniform(ASSUMED_PHI, ASSUMED_KAPPA, runs, stages, measured=False)
    random = np.random.default_rng([seed, 7, *world.name.encode()])
    found = [calibration.measured(*history(world, random), world.weights, 10) for _ in range(HISTORIES)]
    measured = [one for one in found if one is not None]
    pick = np.arange(runs) % len(measured)
    return Noises(
        phi=np.array([one.phi for one in measured])[pick],
        kappa=np.array([one.kappa for one in measured])[pick],
        lasting=np.array([one.lasting for one in measured])[pick],
        measured=True,
    )


def judge(drawn: Drawn, known: Known = "history", seed: int = 0, warm: bool = True) -> Outcome:
    """Whole runs on a fixed schedule. Promoted: shown within the margin in the last stage, and never aborted.

    warm: stable's last ten minutes are known before the first evaluation, as they are wherever history is.
    """
    warm = warm and known != "in run"
    world = drawn.world
    runs, evaluations = drawn.x.shape
    key = key_of(plan_of(world))
    pairs = _pairs(world)
    scheme = layout(key, (slots_used(pairs),) if pairs else ())
    batch = Batch.of(scheme, noise_of(world, runs, known, seed))
    if warm:
        batch.state.past[:] = _before(world, runs, scheme.channels.count, pairs, seed)
    promoted = np.zeros(runs, dtype=bool)
    for t in range(evaluations):
        stage = np.full(runs, world.stages[t])
        fresh = np.full(runs, t == 0 or world.stages[t] != world.stages[t - 1])
        counts = _counts(drawn, t, scheme, pairs)
        batch.evaluate(counts, stage, fresh, drawn.valid[:, t], _units(drawn, t) if known in BY_POD else None)
        if world.stages[t] == len(world.weights) - 1:
            promoted |= batch.shown & (batch.aborted == 0)
    return Outcome(batch.aborted, promoted & (batch.aborted == 0))


def _units(drawn: Drawn, t: int) -> Floats | None:
    """Events and trials of the units of stable's pods (2, runs, U, 1)."""
    if drawn.stable is None:
        return None
    pods = drawn.stable[:, t]
    units = np.arange(pods.shape[1]) % run_noise.UNITS
    found = np.zeros((2, len(pods), run_noise.UNITS, 1))
    for pod, unit in enumerate(units):
        found[0, :, unit, 0] += pods[:, pod]
        found[1, :, unit, 0] += drawn.m[:, t] / pods.shape[1]
    return found


def _pairs(world: World) -> tuple[Pair, ...]:
    """Edges of durations, as they are chosen from stable's day."""
    if not world.durations:
        return ()
    return chosen(EDGES, [int(v) for v in np.round(10**7 * shares(world.base))], world.ratio)


def _before(world: World, runs: int, channels: int, pairs: tuple[Pair, ...], seed: int) -> Floats:
    """Stable's last ten minutes (2, runs, C)."""
    random = np.random.default_rng([seed, 9, *world.name.encode()])
    trials = int(600 / SECONDS * world.per_evaluation)
    rate = np.full(channels, world.base)
    if pairs:
        above = np.append(1.0, 1 - np.cumsum(shares(world.base)))
        rate = np.array([_interpolated(above, pair, pair.abort) for pair in (pairs * channels)[:channels]])
    return np.stack([random.binomial(trials, rate, (runs, channels)).astype(float), np.full((runs, channels), trials)])


def _counts(drawn: Drawn, t: int, scheme: Layout, pairs: tuple[Pair, ...]) -> Floats:
    """Counts of one evaluation (4, runs, C)."""
    if drawn.buckets is None:
        return np.stack([drawn.x[:, t], drawn.n[:, t], drawn.y[:, t], drawn.m[:, t]])[..., None]
    canary, stable = (np.flip(np.cumsum(np.flip(v[:, t], axis=-1), axis=-1), axis=-1) for v in drawn.buckets)
    counts = np.zeros((4, len(stable), scheme.channels.count))
    for start, parts in (
        (0, [pair.abort for pair in pairs]),
        (scheme.channels.abort, [pair.proceed for pair in pairs]),
    ):
        for column, (pair, part) in enumerate(zip(pairs, parts, strict=True), start):
            if part is not None:
                counts[0, :, column] = canary[:, EDGES.index(pair.edge) + 1]
                counts[2, :, column] = _interpolated(stable, pair, part)
                counts[1, :, column], counts[3, :, column] = drawn.n[:, t], drawn.m[:, t]
    return counts


def _interpolated(above: Floats, pair: Pair, part: float) -> Floats:
    """What of stable counts as slower: above (..., edges + 1) are those above 0 and above each edge."""
    bottom = above[..., EDGES.index(pair.above) + 1]
    top = above[..., EDGES.index(pair.below) + 1 if pair.below else 0]
    result: Floats = bottom + part * (top - bottom)
    return result
