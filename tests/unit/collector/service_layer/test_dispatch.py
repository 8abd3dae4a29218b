from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import ResponseError
from serinus_collector.service_layer.dispatch import RETRY_MS, UNREADABLE_MS, Dispatcher
from serinus_collector.service_layer.ports import Lease
from serinus_runtime.complaints import Complaints

pytestmark = pytest.mark.anyio


@dataclass
class World:
    """Runs that are due, of which one fails."""

    fault: Exception
    taken: list[str] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[list[Lease], float]:
        return [Lease(run, 0, 0) for run in ("bad", "good")], 1.0

    async def take(self, lease: Lease) -> None:
        if lease.run == "bad":
            raise self.fault
        self.taken.append(lease.run)

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
async def test_a_run_whose_look_fails_is_set_aside_and_the_others_are_looked_at(
    fault: Exception, milliseconds: int, skipped: int, caplog: pytest.LogCaptureFixture
) -> None:
    world: Any = World(fault)
    metrics = CollectorRegistry()
    dispatcher = Dispatcher(world, world, 4, Complaints(metrics, "run"))
    for _ in range(2):
        await dispatcher.step()
        await dispatcher.finish()
    assert (world.taken, world.postponed) == (["good"] * 2, [("bad", milliseconds)] * 2)
    assert metrics.get_sample_value("serinus_objects_skipped_total", {"kind": "run"}) == skipped
    assert len([line for line in caplog.messages if line.startswith("skipping ")]) == (1 if skipped else 0)
