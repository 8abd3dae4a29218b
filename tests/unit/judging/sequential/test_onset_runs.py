"""Whole runs in which a regression begins inside a stage, or at a start, or never: worlds that nothing was tuned on."""

import numpy as np
import pytest

from benchmarks import _serinus
from benchmarks._drawing import draw
from benchmarks._worlds import World

STEEP = (0.05, 0.2, 0.5)


@pytest.mark.parametrize(
    ("world", "limit"),
    [
        # 15.2 and 3.2 when a regression was mostly expected at the starts of stages
        (World("inside 20 %", 0.003, 1.8, onset=84, weights=STEEP, per_evaluation=8000), 12.9),
        (World("inside 25 %", 0.003, 2.0, onset=113), 2.8),
        # 23.0: a start costs little more than it did
        (World("at a start", 0.003, 1.8, weights=STEEP, per_evaluation=8000), 24.2),
    ],
    ids=lambda value: value.name if isinstance(value, World) else "",
)
def test_a_regression_is_found_within(world: World, limit: float) -> None:
    found = _serinus.judge(draw(world, 400, np.random.default_rng(29)), "known").aborted
    evaluations = np.where(found > 0, found, world.evaluations)[(found == 0) | (found > world.onset)] - world.onset
    assert evaluations.mean() <= limit


def test_a_healthy_canary_is_aborted_once_in_a_hundred_at_most() -> None:
    world = World("healthy", 0.003, weights=STEEP, per_evaluation=8000)
    found = _serinus.judge(draw(world, 1000, np.random.default_rng(31)), "known").aborted
    assert (found > 0).mean() <= 0.01
