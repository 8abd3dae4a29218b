"""Whole simulated runs with fixed seeds: the promises, and that many runs at once are judged as one."""

import numpy as np
import pytest
from serinus_contracts.events import Proportion, Window

from benchmarks import _plans, _serinus
from benchmarks._cost import snapshot
from benchmarks._demo import demo
from benchmarks._drawing import chunks, draw
from benchmarks._worlds import EVALUATIONS, Drawn, Noise, World
from tests.unit.judging.runs import evaluated, known_noise

RUNS = 200


def outcome(world: World, known: _serinus.Known = "known") -> _serinus.Outcome:
    return _serinus.Outcome.joined([_serinus.judge(drawn, known) for drawn in chunks(world, RUNS, 11)])


def evaluations(world: World) -> float:
    found = outcome(world)
    return float(np.where(found.aborted > 0, found.aborted, EVALUATIONS).mean()) - world.onset


@pytest.mark.parametrize("base", [1e-4, 1e-3, 1e-2, 0.1])
def test_healthy_canaries_are_aborted_at_most_once_in_a_hundred(base: float) -> None:
    """4 of 200 would be 2 standard deviations above 1 %."""
    assert (outcome(World(f"A/A {base}", base)).aborted > 0).sum() <= 4


@pytest.mark.parametrize(
    ("world", "target"),
    [
        (World("0.01 % x 5 at 1 %", 1e-4, 5, weights=(0.01,)), 53.7),
        (World("0.1 % x 2 at 1 %", 1e-3, 2, weights=(0.01,)), 52.6),
        (World("0.1 % x 2, ramp", 1e-3, 2), 35.2),
        (World("1 % x 1.5, ramp", 1e-2, 1.5), 20.2),
        (World("0.1 % x 2 from 25 %", 1e-3, 2, onset=96), 4.8),
        (World("1 % x 1.1, ramp", 1e-2, 1.1), 91.0),
    ],
    ids=lambda value: value.name if isinstance(value, World) else "",
)
def test_regressions_are_found_as_fast_as_specified(world: World, target: float) -> None:
    """Within 10 % of the specification; the mean over 200 runs varies by up to 5 %."""
    assert evaluations(world) <= 1.1 * target * 1.05


@pytest.mark.parametrize(
    "noise", [Noise(gamma=0.2), Noise(gamma=0.1, shocks=0.02), Noise(drift=0.3), Noise(retries=0.5)], ids=str
)
def test_noise_that_was_measured_aborts_no_healthy_canary(noise: Noise) -> None:
    world = World(f"noise {noise}", 1e-3, noise=noise)
    assert (outcome(world, "history").aborted > 0).sum() <= 4


def test_a_canary_at_its_margin_is_promoted_at_most_once_in_twenty() -> None:
    """Exactly at the margin, the worst case of what is not to be promoted: 17 of 200 would be 2 deviations above."""
    world = World("at the margin", 2e-3, 1.25, ratio=1.25)
    assert outcome(world).promoted.sum() <= 16


def test_what_is_within_its_margin_is_promoted() -> None:
    world = World("well within", 2e-3, ratio=1.25, absolute=0.001)
    found = outcome(world)
    assert found.promoted.mean() >= 0.95


def test_runs_as_large_as_the_demo_end_in_time() -> None:
    """36 s to promotion and 18 s to the abort are specified, for 30 runs."""
    good, bad = demo(10_000, None), demo(10_000, 0.01)
    assert good.promoted.all()
    assert good.seconds.mean() == pytest.approx(36, rel=0.1)
    assert not bad.promoted.any()
    assert bad.seconds.mean() <= 18 * 1.1


def one_by_one(drawn: Drawn, run: int) -> tuple[int, float]:
    """The look that aborts, by the judge as the analyzer calls it, and the last ln M."""
    world = drawn.world
    rule = _plans.plan_of(world)
    evidence = known_noise(rule)
    log_eprocess = 0.0
    for t in range(world.evaluations):
        window = Window(begin=t * 30_000, end=(t + 1) * 30_000)
        x, n, y, m = (int(v[run, t]) for v in (drawn.x, drawn.n, drawn.y, drawn.m))
        counts = Proportion(status="ok", window=window, canary={"a": (x, n)}, stable={"b": (y, m)})
        stage = int(world.stages[t])
        started = int(np.argmax(world.stages == stage)) * 30_000
        weight = round(100 * world.weights[stage])
        look = snapshot({"events": counts}, t + 1, stage, started, weight)
        evidence, found = evaluated(rule, evidence, look)
        log_eprocess = found.log_eprocess
        if found.verdict == "abort":
            return t + 1, log_eprocess
    return 0, log_eprocess


@pytest.mark.parametrize(
    "world",
    [
        World("rare", 1e-3, 2.0, evaluations=60),
        World("common", 0.2, 1.2, evaluations=60, per_evaluation=4000),
        World("affine", 0.04, 1.6, ratio=1.1, absolute=0.002, evaluations=60, per_evaluation=6000),
        World("falling", 0.3, 0.9, higher=True, evaluations=60, per_evaluation=4000),
    ],
    ids=lambda world: world.name,
)
def test_many_runs_at_once_are_judged_as_one_by_one(world: World) -> None:
    drawn = draw(world, 12, np.random.default_rng(8))
    batch = _serinus.judge(drawn, "known", warm=False)
    singles = [one_by_one(drawn, run)[0] for run in range(12)]
    assert batch.aborted.tolist() == singles
    assert (batch.aborted > 0).any()
