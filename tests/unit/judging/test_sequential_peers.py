"""The benchmark's sequential peers do what is written of them, and abort as many healthy canaries as they are told."""

import numpy as np
import pytest
from serinus_judging.sequential.eprocess import ABORT_PRIOR

from benchmarks import _sequential_peers as peers
from benchmarks._drawing import draw
from benchmarks._worlds import World

SMALL = World("small", 0.02, 1.5, onset=8, evaluations=20, per_evaluation=4000)
FALLING = World("falling", 0.2, 0.8, evaluations=40, per_evaluation=4000, higher=True)


@pytest.mark.parametrize("name", peers.SEQUENTIAL)
@pytest.mark.parametrize("world", [SMALL, FALLING], ids=lambda world: world.name)
def test_as_many_healthy_canaries_are_aborted_as_is_asked(name: str, world: World) -> None:
    random = np.random.default_rng(4)
    null, drawn = draw(world.null(), 200, random), draw(world, 200, random)
    assert (peers.SEQUENTIAL[name](null, null, 0.02).aborted > 0).sum() == 4
    assert (peers.SEQUENTIAL[name](drawn, null, 0.02).aborted > 0).mean() > 0.2


def test_all_onsets_are_tried() -> None:
    drawn = draw(SMALL, 3, np.random.default_rng(5))
    ratios = peers._log_ratios(drawn)
    since = np.array([[ratios[:, :, k : t + 1].sum(axis=2) for k in range(t + 1)] for t in (19,)])[0]
    summed = np.logaddexp.reduce(np.logaddexp.reduce(since, axis=0) + ABORT_PRIOR[:, None], axis=0)
    assert peers.shiryaev_roberts(drawn)[:, -1] == pytest.approx(summed)
    assert peers.cusum(drawn)[:, -1] == pytest.approx(since.max(axis=(0, 1)))
