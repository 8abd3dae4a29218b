"""A short run of what `make chaos` does for minutes."""

from pathlib import Path

import pytest

from tests.chaos.run import chaos
from tests.chaos.schedule import draw

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


async def test_when_everything_goes_wrong_every_release_ends_as_it_must_and_the_ledger_holds(tmp_path: Path) -> None:
    report = await chaos(draw(7, runs=8, seconds=20), limit=120, say=lambda _: None, folder=tmp_path)
    assert report.faults == []
    assert report.outcomes == {"promoted": 6, "aborted": 2}
    assert report.windows > 50


def test_a_seed_draws_the_same_schedule_again_and_another_seed_another() -> None:
    assert draw(7, 8, 20) == draw(7, 8, 20)
    assert draw(7, 8, 20) != draw(8, 8, 20)
