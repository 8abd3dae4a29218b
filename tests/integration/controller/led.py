"""A controller of its own process in a world, given verdicts by a test instead of by collector and analyzer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from redis.asyncio import Redis
from serinus.demo.processes import ManagedProcess
from serinus_contracts import CommandIssued, DecisionTaken, Event, Keys, RolloutObserved, from_entry, seal, to_entry
from serinus_runtime.loops import heed_cancellation

from tests.simulated import World
from tests.support import command, policy_document, verdict

E = TypeVar("E", bound=Event)
T = TypeVar("T")


@dataclass
class Led:
    """The world and its controller, as whoever writes verdicts and commands sees them."""

    world: World
    controller: ManagedProcess
    client: Any
    keys: Keys
    policies: Path

    async def told(self, kind: type[E], name: str) -> list[E]:
        entries = await self.client.xrange(self.keys.stream(kind.STREAM))
        found = [from_entry(kind, fields).data for _, fields in entries]
        return [event for event in found if getattr(event, "run").name == name]  # noqa: B009 - events share no base with run

    async def seen(self, name: str, condition: Callable[[RolloutObserved], bool], what: str) -> RolloutObserved:
        """What the controller has made known last, once the condition holds."""

        async def found() -> RolloutObserved | None:
            events = await self.told(RolloutObserved, name)
            return events[-1] if events and condition(events[-1]) else None

        event: RolloutObserved = await self.until(found, what)
        return event

    async def at_gate(self, name: str, step: int) -> RolloutObserved:
        return await self.seen(
            name,
            lambda event: event.step == step and event.gate_started is not None and not event.outcome,
            f"the gate of {name} at step {step}",
        )

    async def at_rest(self, name: str) -> None:
        """Wait until all pods at a gate are ready, those of the old version that must have gone, and nothing more was
        reported for two seconds."""
        told, since = 0, time.monotonic()

        async def still() -> bool:
            nonlocal told, since
            events = await self.told(RolloutObserved, name)
            last = events[-1] if events else None
            arms = [pod.arm for pod in last.pods if pod.ready] if last and last.gate_started and last.steady else []
            if len(events) != told or not arms or len(arms) != len(last.pods if last else ()) or "canary" not in arms:
                told, since = len(events), time.monotonic()
            return time.monotonic() - since > 2

        await self.until(still, f"{name} to be at rest at a gate")

    async def say(self, about: RolloutObserved, judged: str, **other: Any) -> str:
        """A verdict about a run where it stands; gives the id by which decisions name it as their cause."""
        place = {"step": about.step, "stage": about.stage, "stage_started": about.stage_started}
        event = verdict(
            run=about.run, follows=0, end=round(time.time() * 1000), verdict=judged, plan=about.plan, **place, **other
        )
        await self._add(event)
        return event.event_id()

    async def ask(self, about: RolloutObserved, verb: str, **other: Any) -> None:
        fields = {"run": about.run, "step": about.step, "expires": round(time.time() * 1000) + 60_000}
        await self._add(command(verb, **(fields | other)))

    async def decided(self, cause: str, name: str) -> DecisionTaken:
        """What became of a verdict, when it is known: what the act waits for meanwhile is not it."""

        async def found() -> DecisionTaken | None:
            about = [one for one in await self.told(DecisionTaken, name) if one.cause == cause]
            return next((one for one in about if one.state != "waiting"), None)

        decision: DecisionTaken = await self.until(found, f"the decision about {cause}")
        return decision

    async def until(self, found: Callable[[], Awaitable[T | None]], what: str, seconds: float = 40) -> T:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = await found()
                    if answer:
                        return answer
                    heed_cancellation()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            words = self.controller.log_tail(12)
            raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{words}") from None

    async def _add(self, event: Event | CommandIssued) -> None:
        entry = to_entry(seal(event, source="/test", now=1))
        await self.client.xadd(self.keys.stream(event.STREAM), entry)

    def log(self) -> str:
        return self.controller.log.read_text()


@contextmanager
def controller(world: World, redis_url: str, keys: Keys, folder: Path, **settings: str) -> Iterator[Led]:
    """Policies are read from `folder`; without `SERINUS_POLICIES` there, one for all of the namespace is written."""
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        (folder / "shop.yaml").write_text(yaml.safe_dump(policy_document()))
    environment = world.settings(redis_url, keys, folder) | settings
    child = world.children.start(f"controller-{keys.tag}", "serinus_controller", **environment)
    try:
        yield Led(world, child, Redis.from_url(redis_url, socket_timeout=10), keys, folder)
    finally:
        child.stop()
