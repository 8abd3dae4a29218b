from pathlib import Path

import pytest

from benchmarks._builds import Build, NotComparableError
from benchmarks._figures import Figures
from benchmarks._turns import Turns, in_turns

PAIR = [Build(name, Path(), Path()) for name in ("base", "this")]


@pytest.mark.anyio
async def test_builds_take_turns_and_begin_in_turn() -> None:
    seen = []

    async def measure(build: Build) -> Figures:
        seen.append(build.name)
        return {"cost": 1.0}

    await in_turns("part", PAIR, 3, measure)
    assert seen == ["base", "this", "this", "base", "base", "this"]


@pytest.mark.anyio
async def test_a_round_in_which_the_machine_was_slow_changes_no_ratio() -> None:
    slow = iter((1.0, 1.0, 3.0, 3.0, 1.0, 1.0))

    async def measure(build: Build) -> Figures:
        return {"cost": (10.0 if build.name == "base" else 5.0) * next(slow)}

    turns = await in_turns("part", PAIR, 3, measure)
    assert turns.ratios("cost") == [0.5, 0.5, 0.5]
    assert turns.figures() == {"cost": 0.5}


@pytest.mark.anyio
async def test_what_a_build_cannot_do_is_not_comparable_and_no_figure() -> None:
    async def measure(build: Build) -> Figures:
        if build.name == "base":
            raise NotComparableError("base: it has no such command")
        return {"cost": 1.0}

    turns = await in_turns("part", PAIR, 2, measure)
    assert turns.figures() == {}
    assert turns.lines({}) == [f"{'part':<52} not comparable: base: it has no such command"]


@pytest.mark.parametrize(("this", "word"), [(4.0, "met"), (6.0, "MISSED")])
def test_the_median_of_the_ratios_is_held_against_the_goal(this: float, word: str) -> None:
    turns = Turns({"cost": [10.0, 10.0, 10.0]}, {"cost": [this, this, 100.0]})
    (line,) = turns.lines({"cost": ("at most", 0.5)})
    assert line.endswith(f"at most 0.5: {word}")


def test_a_figure_of_one_build_alone_is_said_to_be_so() -> None:
    assert Turns({"cost": [1.0]}, {}).lines({}) == [f"{'cost':<52} not comparable: only one build has it"]
