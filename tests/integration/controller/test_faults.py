"""An API server that refuses, throttles, fails, is slow, or loses answers and watches: each verdict is still one step.

One controller in one world; each test has a Rollout of its own, so that a fault hits no other's.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from serinus_contracts import DecisionTaken, RolloutObserved

from tests.integration.controller.led import Led
from tests.simulated import World, rollout, scenario, simulated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
PATCHES = {"target": "kubernetes", "verbs": ["patch"], "resources": ["rollouts/status"]}
READS = {"target": "kubernetes", "verbs": ["get"], "resources": ["rollouts"]}
WATCHES = {"target": "kubernetes", "verbs": ["list", "watch"], "resources": ["rollouts", "pods"]}
LEASES = {"target": "kubernetes", "resources": ["leases"]}
# Faults that hit the patch of one Rollout, by what a test is called.
PATCHING: dict[str, dict[str, Any]] = {
    "a conflict": {**PATCHES, "effect": "status", "code": 409, "calls": 3},
    "a refused patch": {**PATCHES, "effect": "status", "code": 422, "calls": 3},
    "throttling": {**PATCHES, "effect": "status", "code": 429, "calls": 2},
    "a failing patch": {**PATCHES, "effect": "status", "code": 500, "calls": 3},
    "a forbidden patch": {**PATCHES, "effect": "status", "code": 403, "calls": 3},
    "a patch whose answer is lost": {**PATCHES, "effect": "drop", "when": "after", "calls": 1},
    "a patch whose answer is an error": {**PATCHES, "effect": "status", "code": 500, "when": "after", "calls": 1},
    "a patch slower than our patience": {**PATCHES, "effect": "slow", "seconds": 2.5, "calls": 1},
    "a patch whose answer is slower": {**PATCHES, "effect": "slow", "seconds": 2.5, "when": "after", "calls": 1},
}
# Faults that hit the reading of one Rollout, which is the first thing that an abort does.
READING: dict[str, dict[str, Any]] = {
    "throttled reads": {**READS, "effect": "status", "code": 429, "calls": 2},
    "failing reads": {**READS, "effect": "status", "code": 500, "calls": 5},
    "slow reads": {**READS, "effect": "slow", "seconds": 2.5, "calls": 2},
    "lost connections": {**READS, "effect": "drop", "calls": 3},
}
# Faults that hit everything the controller knows, until they are healed.
BLINDING: dict[str, dict[str, Any]] = {
    "lists and watches that fail": {**WATCHES, "effect": "status", "code": 500, "lasts": 4},
    "lists and watches that are throttled": {**WATCHES, "effect": "status", "code": 429, "lasts": 4},
    "lists and watches that are gone": {**WATCHES, "effect": "status", "code": 410, "lasts": 4},
    "lists and watches that break off": {**WATCHES, "effect": "drop", "when": "after", "lasts": 4},
    "lists and watches that are slow": {**WATCHES, "effect": "slow", "seconds": 2.5, "lasts": 5},
    "closed watches": {"target": "kubernetes", "effect": "close_watches"},
    "expired watches": {"target": "kubernetes", "effect": "expire_watches"},
    "a lease that cannot be renewed": {**LEASES, "effect": "status", "code": 500, "lasts": 4},
    "a lease in conflict": {**LEASES, "verbs": ["update"], "effect": "status", "code": 409, "lasts": 4},
    "everything away": {"target": "kubernetes", "effect": "status", "code": 503, "lasts": 4},
}


def named(kind: str) -> str:
    return "r-" + kind.replace(" ", "-")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    light = {"requests_per_second": 10}
    names = [named(kind) for kind in (*PATCHING, *READING, *BLINDING, "the api is away")]
    made = scenario(*(rollout(name, traffic=light, replicas=1) for name in names))
    with simulated(tmp_path_factory.mktemp("world"), made | {"prometheus": {"scrape_interval": "60s"}}) as world:
        yield world


async def one_step_for_one_verdict(led: Led, before: RolloutObserved) -> DecisionTaken:
    """One verdict at the first gate opens that gate and no other."""
    name = before.run.name
    cause = await led.say(before, "proceed")
    decision = await led.decided(cause, name)
    assert decision.state == "confirmed", decision.detail
    await led.at_gate(name, 3)
    assert await steps(led, name) == [1, 3]
    return decision


async def steps(led: Led, name: str) -> list[int]:
    """The gates that the Rollout has waited at, in order."""
    gates = [event.step for event in await led.told(RolloutObserved, name) if event.gate_started is not None]
    return [step for index, step in enumerate(gates) if index == 0 or gates[index - 1] != step]


@pytest.mark.parametrize("kind", PATCHING)
async def test_a_verdict_is_one_step_despite(led: Led, kind: str) -> None:
    name = named(kind)
    led.world.release(name)
    before = await led.at_gate(name, 1)
    led.world.fault(name=name, **PATCHING[kind])
    began = time.monotonic()
    await one_step_for_one_verdict(led, before)
    if PATCHING[kind].get("code") == 429:
        assert time.monotonic() - began >= 2, "two answers said: retry after a second"


@pytest.mark.parametrize("kind", READING)
async def test_a_verdict_is_one_abort_despite(led: Led, kind: str) -> None:
    name = named(kind)
    led.world.release(name)
    before = await led.at_gate(name, 1)
    led.world.fault(name=name, **READING[kind])
    began = time.monotonic()
    decision = await led.decided(await led.say(before, "abort"), name)
    assert decision.state == "confirmed", decision.detail
    assert (await led.seen(name, lambda event: bool(event.outcome), "the end")).outcome == "aborted"
    if READING[kind].get("code") == 429:
        assert time.monotonic() - began >= 2, "two answers said: retry after a second"


@pytest.mark.parametrize("kind", BLINDING)
async def test_a_run_is_followed_and_led_again_after(led: Led, kind: str) -> None:
    name = named(kind)
    led.world.fault(**BLINDING[kind])
    led.world.release(name)
    await one_step_for_one_verdict(led, await led.at_gate(name, 1))
    assert not led.controller.exited


async def test_while_the_api_is_away_no_snapshot_may_reach_beyond_the_last_read(led: Led) -> None:
    name = named("the api is away")
    led.world.release(name)
    before = await led.at_gate(name, 1)
    led.world.fault(**BLINDING["lists and watches that fail"] | {"lasts": 60})
    known = [await constant_until(led, before.run.id)]
    began = time.monotonic()

    async def unchanged_for_two_seconds() -> bool:
        nonlocal began
        known.append(await constant_until(led, before.run.id))
        if known[-1] != known[-2]:
            began = time.monotonic()
        return time.monotonic() - began > 2

    await led.until(unchanged_for_two_seconds, "the known time to stand still")
    led.world.heal()

    async def goes_on() -> bool:
        return await constant_until(led, before.run.id) > known[-1]

    await led.until(goes_on, "the known time to go on")


async def constant_until(led: Led, run: str) -> int:
    await asyncio.sleep(0)
    return int(await led.client.hget(led.keys.run(run), "weight_constant_until") or 0)
