import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import ResponseError
from serinus_collecting.ports import Lease
from serinus_collector.use_cases.snapshot_scheduler import RETRY_MS, UNREADABLE_MS, SnapshotScheduler
from serinus_runtime.complaints import Complaints

pytestmark = pytest.mark.anyio


async def turns() -> None:
    """Until all has begun that may; what has not when it stops is given back."""
    for _ in range(10):
        await asyncio.sleep(0)


@dataclass
class World:
    """Runs that are due, of which one fails."""

    fault: Exception
    taken: list[str] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[list[Lease], float]:
        return [Lease(run, 0, 0) for run in ("bad", "good")], 1.0

    async def collect(self, lease: Lease) -> None:
        if lease.run == "bad":
            raise self.fault
        self.taken.append(lease.run)

    async def give_back(self, leases: list[Lease], due: int) -> None:
        self.postponed += [(lease.run, due) for lease in leases]

    async def postpone(self, lease: Lease, due: int) -> None:
        self.postponed.append((lease.run, due))


@pytest.mark.parametrize(
    ("fault", "milliseconds", "skipped"),
    [
        (RuntimeError("a bug"), UNREADABLE_MS, 2),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), UNREADABLE_MS, 2),
        (RedisAwayError("away"), RETRY_MS, 0),
    ],
)
async def test_a_run_whose_snapshot_fails_is_set_aside_and_the_others_are_collected(
    fault: Exception, milliseconds: int, skipped: int, caplog: pytest.LogCaptureFixture
) -> None:
    world: Any = World(fault)
    metrics = CollectorRegistry()
    scheduler = SnapshotScheduler(world, world, 4, Complaints(metrics, "run"), monotonic=lambda: 0.0)
    for _ in range(2):
        await scheduler.step()
        await turns()
    await scheduler.finish()
    assert (world.taken, world.postponed) == (["good"] * 2, [("bad", milliseconds)] * 2)
    assert metrics.get_sample_value("serinus_objects_skipped_total", {"kind": "run"}) == skipped
    assert len([line for line in caplog.messages if line.startswith("skipping ")]) == (1 if skipped else 0)


@dataclass
class Queue:
    """A namespace whose two hundred runs are always due and never end, and later a run of another."""

    other_due: bool = False
    under_way: list[str] = field(default_factory=list)
    given_back: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def lease(self, limit: int) -> tuple[list[Lease], float]:
        runs = [(f"r{number}", "greedy") for number in range(limit - 1)]
        runs += [("release", "shop")] if self.other_due else []
        return [Lease(run, 0, 0, namespace) for run, namespace in runs], 0.0

    async def collect(self, lease: Lease) -> None:
        self.under_way.append(lease.namespace)
        await self.ended.wait()

    async def give_back(self, leases: list[Lease], due: int) -> None:
        self.given_back += len(leases)

    async def postpone(self, lease: Lease, due: int) -> None:
        self.given_back += 1


async def test_a_namespace_whose_snapshots_never_end_leaves_places_to_the_run_of_another() -> None:
    world: Any = Queue()
    scheduler = SnapshotScheduler(world, world, 8)
    for world.other_due in (False, False, True):
        await scheduler.step()
        await turns()
    assert (world.under_way.count("greedy"), world.under_way.count("shop")) == (6, 1)
    assert world.given_back > 500
    world.ended.set()
    await scheduler.finish()
