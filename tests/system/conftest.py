"""A world with its services, as a team would run them, on real servers and with processes that can be killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, RedisError  # noqa: A004
from serinus.demo.processes import ManagedProcess
from serinus_contracts import (
    DecisionTaken,
    Event,
    Keys,
    MetricsCollected,
    RolloutObserved,
    VerdictReached,
    from_entry,
)
from serinus_runtime.loops import heed_cancellation
from serinus_simulator.audit.ledger import Ledger, check

from tests.servers import RedisServer, redis_server
from tests.simulated import World, start_services
from tests.support import policy_document

E = TypeVar("E", bound=Event)
POLICY: dict[str, Any] = {
    "interval": "1s",
    "settle": "1s",
    "warmup": "1s",
    "minimum": "3s",
    "maximum": "2m",
    "metrics": [
        {"name": "errors", "preset": "http-errors", "critical": True},
        {"name": "latency", "preset": "http-latency"},
    ],
}


@dataclass
class Team:
    """The services in their world, seen from outside: by the streams, the API server and the processes."""

    world: World
    server: RedisServer
    client: Any
    keys: Keys
    environment: dict[str, str]
    services: dict[str, ManagedProcess]

    def start(self, name: str, **settings: str) -> None:
        """One more service, with settings of its own."""
        self.services |= start_services(self.world, self.environment | settings, name)

    async def told(self, kind: type[E]) -> list[E]:
        entries: Any = await self.client.xrange(self.keys.stream(kind.STREAM))
        return [from_entry(kind, fields).data for _, fields in entries if b"ce_type" in fields]

    async def verdicts(self) -> list[VerdictReached]:
        return await self.told(VerdictReached)

    async def snapshots(self) -> list[MetricsCollected]:
        return await self.told(MetricsCollected)

    async def decisions(self) -> list[DecisionTaken]:
        return await self.told(DecisionTaken)

    async def outcome(self, name: str = "checkout") -> str | None:
        ended = [one.outcome for one in await self.told(RolloutObserved) if one.run.name == name and one.outcome]
        return ended[-1] if ended else None

    async def ledger(self, name: str = "checkout") -> Ledger:
        """Of the last run, once all its looks are judged: what a killed analyzer had taken up is claimed later."""
        run = next(look.run for look in reversed(await self.snapshots()) if look.run.name == name)

        async def judged() -> bool:
            looks = {look.end for look in await self.snapshots() if look.run == run}
            return looks <= {verdict.end for verdict in await self.verdicts() if verdict.run == run}

        await self.until(judged, "every look to be judged")
        return await check(self.client, self.keys, run.id, self.world.truth)

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 90) -> None:
        """Wait for a state; the condition may be a coroutine function. Services that died are started again."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # A Redis that is away shows nothing yet.
                    with contextlib.suppress(RedisError):
                        found = condition()
                        if await found if asyncio.iscoroutine(found) else found:
                            return
                    heed_cancellation()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            logs = "\n".join(f"== {child.name}\n{child.log_tail(8)}" for child in self.services.values())
            raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{logs}") from None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, which it may kill."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as made:
        yield made


@pytest.fixture
async def make_team(server: RedisServer, keys: Keys, tmp_path: Path) -> AsyncIterator[Callable[..., Team]]:
    """Starts the services in a world."""
    patient = Retry(ConstantBackoff(0.2), retries=20)
    own_keys = keys
    async with Redis.from_url(server.url, socket_timeout=5, retry=patient, retry_on_error=[ConnectionError]) as own:

        def make(
            world: World,
            *names: str,
            policy: dict[str, Any] | None = None,
            client: Any = own,
            keys: Keys = own_keys,
            **settings: str,
        ) -> Team:
            policies = tmp_path / "policies"
            policies.mkdir(exist_ok=True)
            (policies / "shop.yaml").write_text(yaml.safe_dump(policy_document(**{**POLICY, **(policy or {})})))
            environment = world.settings(server.url, keys, policies) | settings
            return Team(world, server, client, keys, environment, start_services(world, environment, *names))

        yield make


def reasons(verdicts: Sequence[VerdictReached]) -> list[str]:
    return [verdict.reason for verdict in verdicts]
