"""Two laws, whatever comes in between: never two steps for one verdict, never an abort of another revision.

A broken law shows its seed; `asyncio.run(play(seed))` plays it again.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_controller.use_cases import act
from serinus_rollouts import patches, progress
from serinus_rollouts.rollout import RolloutView

from tests.integration.controller.interleaving import play

ARGO = [
    {"argo": {"version": "master", "delay": 0.01}},
    {"argo": {"version": "1.9.1", "delay": 0.01}},
    {"argo": {"version": "master", "delay": 0.3, "repauses": 0.3}},
]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ARGO))
def test_no_interleaving_makes_two_steps_of_one_verdict_or_aborts_another_revision(
    seed: int, argo: dict[str, Any]
) -> None:
    assert asyncio.run(play(seed, **argo)).broken == []


@pytest.mark.parametrize("seed", [5538, 6521, 100003])
def test_a_controller_that_missed_an_abort_and_a_retry_after_its_promotion_opens_no_gate_on_an_older_verdict(
    seed: int,
) -> None:
    assert asyncio.run(play(seed, argo={"version": "master", "delay": 0.01})).broken == []


def test_the_histories_are_not_empty() -> None:
    """Laws hold easily where nothing happens."""
    played = [asyncio.run(play(seed)) for seed in range(20)]
    assert sum(len(hand.opened) for hand in played) > 10
    assert sum(len(hand.aborted) for hand in played) > 2


def unguarded_promotion(view: RolloutView) -> patches.Patch:
    return patches.promote(view)[-1:]


def unguarded_abort(view: RolloutView) -> patches.Patch:
    return patches.abort(view)[-1:]


@pytest.mark.parametrize(
    ("planted", "word", "seed"),
    [
        ({"advance": unguarded_promotion, "promote": unguarded_promotion}, "gate", 62),
        ({"abort": unguarded_abort}, "was aborted", 117),
    ],
)
def test_patches_without_their_tests_are_found(
    monkeypatch: pytest.MonkeyPatch, planted: dict[str, Any], word: str, seed: int
) -> None:
    for action, patch in planted.items():
        monkeypatch.setitem(act._PATCHES, action, patch)
    assert word in first_broken(seed)


def test_a_promotion_that_opens_whatever_gate_it_comes_to_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = progress.progress

    def lenient(intent: progress.Intent, *where: Any, **known: Any) -> progress.Progress:
        return original(intent.model_copy(update={"gate": ""}), *where, **known)

    monkeypatch.setattr(act, "progress", lenient)
    assert "gate" in first_broken(3)


def first_broken(first: int, seeds: int = 150) -> str:
    """The first broken law; `first` is a seed that shows it soon, or did when this was written."""
    for seed in range(first, first + seeds):
        for broken in asyncio.run(play(seed)).broken:
            return broken
    return f"nothing found in {seeds} histories"
