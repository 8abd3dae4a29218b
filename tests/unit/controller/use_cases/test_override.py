"""A policy that is changed for one run."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from serinus_contracts.policy import Match
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.override import overridden
from serinus_rollouts.reading import view

from tests.support import RUN
from tests.unit.controller.use_cases.commanded import World
from tests.unit.controller.use_cases.registry import POLICY

pytestmark = pytest.mark.anyio


async def test_an_override_begins_another_attempt_under_the_changed_policy() -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    await world.say(
        "override", change={"metrics": [{"name": "errors", "preset": "http-errors", "margin": {"ratio": 3}}]}
    )
    assert [one.outcome for one in world.registry.retired] == ["superseded"]
    (fresh,) = world.tracker.runs.values()
    assert world.registry.observed[-1].run.attempt == 2
    assert fresh.run.uid == RUN.uid
    decision = world.journal.told[-1]
    assert (decision.action, decision.run.attempt) == ("override", 2)
    assert decision.before == {"metrics": [{"name": "errors", "preset": "http-errors"}]}
    assert decision.after == {"metrics": [{"name": "errors", "preset": "http-errors", "margin": {"ratio": 3.0}}]}


@pytest.mark.parametrize("first", [True, False])
async def test_an_override_is_of_the_rollouts_own_policy_and_never_of_a_namesake_in_another_namespace(
    first: bool,
) -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    theirs = POLICY.model_copy(
        update={
            "metadata": POLICY.metadata.model_copy(update={"namespace": "evil"}),
            "spec": POLICY.spec.model_copy(update={"mode": "enforce", "match": Match(namespace="evil")}),
        }
    )
    world.policies = [theirs, POLICY] if first else [POLICY, theirs]
    await world.say("override", change={"interval": "10s"})
    fresh = world.registry.plans[world.registry.observed[-1].plan]
    assert (fresh.mode, fresh.interval) == (POLICY.spec.mode, 10)
    world.policies = [theirs]
    await world.say("override", change={"interval": "9s"})
    assert world.told()[-1][0] == "refused"


async def test_an_observation_that_an_override_overtakes_does_not_bring_the_old_run_back() -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    changed = overridden(POLICY, {"interval": "5s"})
    observe = world.registry.observe
    overriding: list[asyncio.Task[LiveRun]] = []

    async def overtaken(*args: Any, **fields: Any) -> None:
        if not overriding:
            overriding.append(asyncio.create_task(world.tracker.override(world.tracker.runs[RUN.uid], changed, "c1")))
            for _ in range(20):
                await asyncio.sleep(0)
        await observe(*args, **fields)

    world.registry.observe = overtaken  # type: ignore[method-assign]
    await world.tracker.see(replace(view(world.rollout.state), phase="Progressing", resource_version="101"))
    await overriding[0]
    assert world.tracker.runs[RUN.uid].run.attempt == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, "nothing is overridden"),
        ({"metrics": []}, "spec.metrics: Tuple should have at least 1 item"),
        ({"marginn": 1}, "'marginn' is not a key of a policy's spec; known: match, mode"),
        ({"interval:2s": None}, "'interval:2s' is not a key"),
        ({"interval": "0s"}, "spec.interval: Input should be greater than or equal to 0.5"),
    ],
)
async def test_an_override_that_does_not_fit_is_refused_with_the_place(change: dict[str, Any], complaint: str) -> None:
    world = World()
    await world.say("override", change=change)
    ((action, _, detail),) = world.told()
    assert action == "refused"
    assert complaint in detail
