"""An act that Argo does not carry out, or that the API server refuses: what keeps it is told, and it is kept on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from serinus_contracts import DecisionTaken
from serinus_controller.domain.observe import outcome_of
from serinus_controller.use_cases.act import Actor
from serinus_rollouts.rollout import RolloutView
from serinus_runtime.clock import now_ms

from tests.contract.rollouts.cluster import Cluster, intent, run
from tests.unit.controller.use_cases.fakes import FakeJournal

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
REFUSED = "rollouts are frozen: ask the release team"


@asynccontextmanager
async def acting(
    cluster: Cluster, action: str, seen: RolloutView
) -> AsyncIterator[tuple[FakeJournal, "asyncio.Task[RolloutView | None]"]]:
    """An act on its way."""
    journal = FakeJournal()
    actor = Actor(cluster.rollouts, journal, now_ms, time.monotonic)
    task = asyncio.create_task(actor.carry_out(run(seen), intent(action, seen), "enforce"))
    try:
        yield journal, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def first_told(cluster: Cluster, journal: FakeJournal) -> DecisionTaken:
    async with asyncio.timeout(cluster.patience):
        while not journal.told:
            await asyncio.sleep(0.02)
    return journal.told[0]


async def finished(cluster: Cluster, task: "asyncio.Task[RolloutView | None]") -> RolloutView | None:
    async with asyncio.timeout(cluster.patience):
        return await task


async def weigh_too_much(cluster: Cluster, name: str) -> None:
    await cluster.weigh(name, 150)


async def mend_weight(cluster: Cluster, name: str) -> None:
    await cluster.weigh(name, 5)


async def take_service(cluster: Cluster, name: str) -> None:
    await cluster.take_away_canary_service(name)
    # Argo looks again when something of the Rollout changes.
    await cluster.patch(name, {"status": {"message": "look again"}}, "/status")


async def give_service(cluster: Cluster, name: str) -> None:
    await cluster.give_back_canary_service(name)


Change = Callable[[Cluster, str], Awaitable[None]]
BROKEN = pytest.mark.parametrize(
    ("spoil", "mend"),
    [(weigh_too_much, mend_weight), (take_service, give_service)],
    ids=["invalid steps", "missing Service"],
)


@BROKEN
async def test_an_abort_that_argo_ignores_is_kept_up_until_the_spec_is_mended_and_the_traffic_back(
    cluster: Cluster, spoil: Change, mend: Change
) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    await spoil(cluster, name)
    broken = await cluster.invalid(name)
    assert (broken.phase, broken.canary_weight, broken.step) == ("Degraded", 5, 1)
    async with acting(cluster, "abort", seen) as (journal, task):
        told = await first_told(cluster, journal)
        assert told.state == "waiting"
        assert told.detail.startswith("abort accepted; Argo has not carried it out yet: InvalidSpec: ")
        await asyncio.sleep(2)
        standing = await cluster.see(name)
        assert (standing.aborted, standing.canary_weight, standing.step, task.done()) == (True, 5, 1, False)
        assert outcome_of(run(seen), standing) is None
        await mend(cluster, name)
        await finished(cluster, task)
    assert [one.state for one in journal.told] == ["waiting", "confirmed"]
    back = await cluster.see(name)
    assert (back.aborted, back.canary_weight or 0, outcome_of(run(seen), back)) == (True, 0, "aborted")


@BROKEN
async def test_an_abort_that_argo_ignores_is_taken_up_by_the_next_controller(
    cluster: Cluster, spoil: Change, mend: Change
) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    await spoil(cluster, name)
    await cluster.invalid(name)
    async with acting(cluster, "abort", seen) as (journal, _):
        await first_told(cluster, journal)
    async with acting(cluster, "abort", seen) as (journal, task):
        assert (await first_told(cluster, journal)).state == "waiting"
        await mend(cluster, name)
        await finished(cluster, task)
    assert journal.told[-1].state == "confirmed"
    await cluster.aborted(name)


@BROKEN
async def test_an_advance_waits_for_the_spec_to_be_mended(cluster: Cluster, spoil: Change, mend: Change) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    await spoil(cluster, name)
    await cluster.invalid(name)
    async with acting(cluster, "advance", seen) as (journal, task):
        told = await first_told(cluster, journal)
        assert told.detail.startswith("advance not sent yet: InvalidSpec: ")
        await mend(cluster, name)
        await finished(cluster, task)
    assert journal.told[-1].state == "confirmed", journal.told[-1].detail
    await cluster.at_gate(name, 3)


async def test_an_abort_that_is_taken_back_while_argo_ignores_it_was_not_done(cluster: Cluster) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    await weigh_too_much(cluster, name)
    await cluster.invalid(name)
    async with acting(cluster, "abort", seen) as (journal, task):
        await first_told(cluster, journal)
        await cluster.patch(name, {"status": {"abort": False}}, "/status")
        await finished(cluster, task)
    assert journal.told[-1].detail == "abort not done: it was taken back before Argo had carried it out"


async def test_without_traffic_routing_an_abort_ends_when_no_canary_pods_are_left(cluster: Cluster) -> None:
    name = await cluster.released(routed=False)
    seen = await cluster.at_gate(name, 1)
    await weigh_too_much(cluster, name)
    await cluster.invalid(name)
    async with acting(cluster, "abort", seen) as (journal, task):
        await first_told(cluster, journal)
        standing = await cluster.see(name)
        assert (outcome_of(run(seen), standing), standing.updated_replicas) == (None, 1)
        await mend_weight(cluster, name)
        done = await finished(cluster, task)
    assert done is not None
    assert (outcome_of(run(seen), done), done.updated_replicas) == ("aborted", 0)


@pytest.mark.parametrize("code", [403, 422])
@pytest.mark.parametrize("action", ["abort", "advance"])
async def test_a_refusal_is_told_once_in_the_servers_words_and_nothing_is_done(
    cluster: Cluster, action: str, code: int
) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    async with cluster.refusing(name, code, REFUSED), acting(cluster, action, seen) as (journal, task):
        told = await first_told(cluster, journal)
        assert told.state == "waiting"
        assert told.detail.startswith(f"{action} refused by the API server: ")
        assert REFUSED in told.detail
        await asyncio.sleep(1.5)
        assert not task.done()
        untouched = await cluster.see(name)
        assert (untouched.aborted, untouched.step, len(journal.told)) == (False, 1, 1)


async def test_what_was_refused_is_done_once_when_the_refusal_is_lifted(cluster: Cluster) -> None:
    name = await cluster.released()
    seen = await cluster.at_gate(name, 1)
    journal = FakeJournal()
    actor = Actor(cluster.rollouts, journal, now_ms, time.monotonic)
    async with cluster.refusing(name, 422, REFUSED):
        task = asyncio.create_task(actor.carry_out(run(seen), intent("abort", seen), "enforce"))
        await first_told(cluster, journal)
    await finished(cluster, task)
    assert [one.state for one in journal.told] == ["waiting", "confirmed"]
    await cluster.aborted(name)
