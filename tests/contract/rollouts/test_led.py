"""A controller on every cluster alike: what it tells of a run that does not get on, and that its restart changes
nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import yaml
from serinus.demo.processes import ManagedProcess
from serinus_contracts import DecisionTaken, Event, Keys, RolloutObserved, from_entry, seal, to_entry
from serinus_contracts.standstill import standstill
from serinus_readmodel.next_step import next_step
from serinus_readmodel.reader.stories import Stories
from serinus_readmodel.run_view import RunView
from serinus_runtime.redis import Client

from tests.contract.rollouts.cluster import GATED, Cluster
from tests.contract.rollouts.conftest import NAMESPACE, Access
from tests.forked import forked_group
from tests.support import command, policy_document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def process(
    access: Access, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ManagedProcess, Keys]]:
    folder, keys = tmp_path_factory.mktemp("controller"), Keys(f"test-{uuid4().hex[:12]}")
    (folder / "policies").mkdir()
    (folder / "policies" / "policy.yaml").write_text(
        yaml.safe_dump(policy_document(match={"namespace": NAMESPACE}, interval="1s", minimum="2s", maximum="60s"))
    )
    with forked_group(folder) as children:
        yield (
            children.start(
                "controller",
                "serinus_controller",
                SERINUS_REDIS_URL=redis_url,
                SERINUS_REDIS_TAG=keys.tag,
                SERINUS_HTTP_PORT="0",
                KUBECONFIG=str(access.kubeconfig),
                SERINUS_POLICIES=str(folder / "policies"),
                SERINUS_NAMESPACES=NAMESPACE,
                SERINUS_LEASE_NAMESPACE=NAMESPACE,
                SERINUS_LEASE_DURATION="3",
                SERINUS_API_TIMEOUT="2",
                SERINUS_POLL="1",
            ),
            keys,
        )


@dataclass
class Led:
    cluster: Cluster
    controller: ManagedProcess
    keys: Keys
    client: Client

    async def told(self, kind: type[Event], name: str) -> list[Any]:
        entries: Any = await self.client.xrange(self.keys.stream(kind.STREAM))
        found: list[Any] = [from_entry(kind, fields).data for _, fields in entries]
        return [event for event in found if event.run.name == name]

    async def until(self, found: Callable[[], Awaitable[Any]], what: str) -> Any:
        try:
            async with asyncio.timeout(self.cluster.patience):
                while not (answer := await found()):
                    await asyncio.sleep(0.05)
                return answer
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}\n{self.controller.log_tail(12)}") from None

    async def seen(self, name: str, condition: Callable[[RolloutObserved], bool], what: str) -> RolloutObserved:
        async def found() -> RolloutObserved | None:
            events = await self.told(RolloutObserved, name)
            return events[-1] if events and condition(events[-1]) else None

        event: RolloutObserved = await self.until(found, what)
        return event


@pytest.fixture
async def led(cluster: Cluster, process: tuple[ManagedProcess, Keys], client: Client) -> Led:
    return Led(cluster, *process, client)


@pytest.mark.parametrize("routed", [False, True])
async def test_a_restart_of_the_controller_tells_nothing_anew(led: Led, routed: bool) -> None:
    name = await led.cluster.released(routed=routed)

    def at_rest(seen: RolloutObserved) -> bool:
        # Argo's last word about a gate is that of its condition; pods of the old version may still have to go.
        arms = [pod.arm for pod in seen.pods if pod.ready]
        return seen.gate_started is not None and seen.steady and len(arms) == len(seen.pods) and "canary" in arms

    before = await led.seen(name, at_rest, "the gate, with its pods")
    run = led.keys.run(before.run.id)
    # What is told and since when it is known to be so: twice in a row nothing new, so the world stands still.
    told = await until_still(led, name)
    led.controller.kill()
    killed = round(time.time() * 1000)
    led.controller.restart()

    async def followed() -> bool:
        until: Any = await led.client.hget(run, "weight_constant_until")
        return int(until) > killed + 2_000

    await led.until(followed, "the run to be followed again")
    assert await led.told(RolloutObserved, name) == told
    assert int((await led.client.hget(run, "stage_started")) or 0) == told[-1].stage_started


async def until_still(led: Led, name: str) -> list[RolloutObserved]:
    """What was told, once nothing more has been for two seconds."""
    while True:
        told = await led.told(RolloutObserved, name)
        await asyncio.sleep(2)
        if await led.told(RolloutObserved, name) == told:
            return told


async def test_a_canary_that_never_becomes_ready_is_told_by_its_pods_and_argos_words(led: Led) -> None:
    name = await led.cluster.make(GATED, replicas=1, progressDeadlineSeconds=4)
    await led.cluster.release(name, tag="never-ready")
    waiting = await led.seen(name, lambda seen: standstill(seen) is not None, "the pods that are not ready")
    assert next_step(RunView(waiting), 0).startswith("0 of 1 canary pods ready")
    late = await led.seen(name, lambda seen: "ProgressDeadlineExceeded" in seen.trouble, "Argo's word of its deadline")
    assert next_step(RunView(late), 0).startswith("0 of 1 canary pods ready (ProgressDeadlineExceeded: ReplicaSet")
    assert late.outcome is None


async def test_a_spec_that_argo_refuses_in_the_middle_is_told_by_its_words_until_it_is_mended(led: Led) -> None:
    name = await led.cluster.released()
    await led.seen(name, lambda seen: seen.gate_started is not None, "the gate")
    place = "/spec/strategy/canary/canaryService"
    await led.cluster.patch(name, [{"op": "replace", "path": place, "value": f"{name}-gone"}])
    invalid = await led.seen(name, lambda seen: seen.trouble != "", "Argo's word of it")
    text = next_step(RunView(invalid), 0)
    assert text.startswith("Argo does nothing until the Rollout's spec is mended (InvalidSpec: ")
    assert f"{name}-gone" in text
    assert invalid.outcome is None
    await led.cluster.patch(name, [{"op": "replace", "path": place, "value": f"{name}-canary"}])
    mended = await led.seen(name, lambda seen: seen.trouble == "" and seen.gate_started is not None, "the gate again")
    assert standstill(mended) is None


async def test_an_abort_by_argo_itself_is_reported_with_its_reason(led: Led) -> None:
    name = await led.cluster.make(GATED, replicas=1, progressDeadlineSeconds=4, progressDeadlineAbort=True)
    await led.cluster.release(name, tag="never-ready")
    ended = await led.seen(name, lambda seen: seen.outcome == "aborted", "Argo's abort")
    report = await Stories(led.client, led.keys).report(ended.run.id)
    assert report is not None
    assert report.why.startswith("aborted by Argo: ReplicaSet")
    assert report.why.endswith("has timed out progressing.")


async def test_an_abort_by_hand_is_reported_as_somebody_elses(led: Led) -> None:
    name = await led.cluster.released()
    await led.seen(name, lambda seen: seen.gate_started is not None, "the gate")
    await led.cluster.abort_by_hand(name)
    await led.cluster.aborted(name)
    ended = await led.seen(name, lambda seen: seen.outcome == "aborted", "the end")
    report = await Stories(led.client, led.keys).report(ended.run.id)
    assert report is not None
    assert report.why == "aborted outside Serinus"


async def test_a_pause_before_the_first_weight_is_told_with_who_opens_it_and_an_advance_does(led: Led) -> None:
    name = await led.cluster.make([{"pause": {}}, *GATED])
    await led.cluster.release(name)
    seen = await led.seen(name, lambda seen: seen.gate_started is not None, "the pause")
    assert (seen.stage, seen.steady) == (-1, False)
    opens = f"a person opens it by `serinus advance {NAMESPACE}/{name}` or `kubectl argo rollouts promote {name} -n"
    assert opens in next_step(RunView(seen), 0)

    async def decided() -> list[DecisionTaken]:
        return await led.told(DecisionTaken, name)

    (held,) = await led.until(decided, "the word about it")
    assert (held.action, opens in held.detail) == ("hold", True)
    asked = command("advance", run=seen.run, step=seen.step, expires=round(time.time() * 1000) + 60_000)
    entry: Any = to_entry(seal(asked, source="/test", now=1))
    await led.client.xadd(led.keys.stream("commands"), entry)
    await led.cluster.at_gate(name, 2)
    opened = await led.seen(name, lambda seen: seen.stage == 0 and seen.gate_started is not None, "the first gate")
    assert standstill(opened) is None
