import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import OutOfMemoryError
from serinus_runtime.health import Health, beating, pages

pytestmark = pytest.mark.anyio


class Monotonic:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def client(health: Health) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(pages(health, CollectorRegistry()))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def reached() -> None:
    return None


async def away() -> str | None:
    raise ConnectionError("refused")


async def test_a_loop_that_has_not_come_round_within_its_limit_makes_the_process_unhealthy() -> None:
    clock = Monotonic()
    health = Health(clock)
    async with client(health) as http:
        with beating(health, "collect", within=10) as beat:
            clock.now = 9
            assert (await http.get("/healthz")).status_code == 200
            clock.now = 11
            answer = await http.get("/healthz")
            assert answer.status_code == 503
            assert answer.json()["faults"] == {"collect": "silent for 11.0 s, limit 10.0 s"}
            beat()
            assert (await http.get("/healthz")).status_code == 200


async def test_a_loop_that_has_ended_is_not_waited_for() -> None:
    clock = Monotonic()
    health = Health(clock)
    with beating(health, "collect", within=1):
        pass
    clock.now = 100
    assert health.silent() == {}


async def test_a_service_that_has_no_room_to_write_in_redis_is_not_ready() -> None:
    health = Health(Monotonic())
    health.require("redis", reached)
    health.fails("collect", OutOfMemoryError("command not allowed"))
    assert await health.missing() == {"room in Redis": "Redis is full: what is to be written waits"}
    health.works("collect")
    assert await health.missing() == {}


async def test_readiness_says_what_is_missing_and_goes_when_stopping() -> None:
    health = Health(Monotonic())
    assert await health.missing() == {"service": "starting"}
    health.require("redis", away)
    assert await health.missing() == {"redis": "ConnectionError: refused"}
    health.stopping = True
    assert await health.missing() == {"service": "stopping"}


async def test_readiness_never_touches_liveness() -> None:
    health = Health(Monotonic())
    health.require("redis", away)
    async with client(health) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/metrics/")).status_code == 200


def test_a_loop_that_fails_is_told_once_it_has_for_long_enough_with_its_last_error_until_it_works_or_ends() -> None:
    clock = Monotonic()
    health = Health(clock)
    first, last = ConnectionError("refused"), TimeoutError("slow")
    health.fails("watch", first)
    clock.now = 4
    health.fails("watch", last)
    health.fails("elect", first)
    assert not health.failing(5)
    clock.now = 6
    assert {loop: (one.since, one.error) for loop, one in health.failing(2).items()} == {
        "watch": (0, last), "elect": (4, first),
    }  # fmt: skip
    health.works("watch")
    health.forget("elect")
    assert not health.failing(0)
