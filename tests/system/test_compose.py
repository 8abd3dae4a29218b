"""The compose stack, as a newcomer starts it. Needs a Docker daemon, and images that it has or can pull.

`BASE_IMAGE`, `REDIS_IMAGE` and `PROMETHEUS_IMAGE` name others, as they do for docker-compose.yml; the services' images
are built before, by `docker compose build`.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.exceptions import RedisError
from serinus_contracts import Keys, RolloutObserved, VerdictReached, from_entry
from serinus_runtime.address import with_password
from serinus_runtime.redis import connected
from testcontainers.compose import DockerCompose

from tests.lacking import lacking
from tests.servers import free_port

# A password of every kind of character: it goes through compose, a shell, Redis' file of users and addresses.
PASSWORD = "a/b&c@d#e%f:g?h i'j\"k\\l=é"
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.anyio
IMAGES = (
    "serinus-collector",
    "serinus-analyzer",
    "serinus-console",
    "serinus-controller",
    "serinus-notifier",
    "serinus-simulator",
)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:g} s in vain for {what}") from None


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[DockerCompose, str]]:
    if shutil.which("docker") is None or docker("info").returncode:
        lacking("a Docker daemon", "https://docs.docker.com/engine/install/", in_ci=True)
    if docker("compose", "version").returncode:
        lacking("docker compose", "https://docs.docker.com/compose/install/", in_ci=True)
    missing = [image for image in IMAGES if docker("image", "inspect", image).returncode]
    if missing:
        lacking(", ".join(missing), "docker compose --profile demo build", in_ci=True)
    ports = {name: str(free_port()) for name in ("CONSOLE_PORT", "REDIS_PORT", "PROMETHEUS_PORT", "SIMULATOR_PORT")}
    notifications = tmp_path / "notifications.yaml"
    notifications.write_text(
        "channels: {shop: json://simulator:9099/told}\nrules: [{kinds: [aborted, promoted], to: [shop]}]\n"
    )
    # A project of its own, so that a stack that runs here already is left alone.
    own = {
        "COMPOSE_PROJECT_NAME": f"serinus-test-{os.getpid()}",
        "SERINUS_NOTIFICATIONS": str(notifications),
        "REDIS_PASSWORD": PASSWORD,
    }
    os.environ |= (settings := ports | own)
    compose = DockerCompose(ROOT, profiles=["demo", "notify"], wait=True, keep_volumes=False)
    try:
        compose.start()
        yield compose, with_password(f"redis://serinus-operator@127.0.0.1:{ports['REDIS_PORT']}/0", PASSWORD)
    finally:
        compose.stop()
        for name in settings:
            os.environ.pop(name)


@pytest.mark.timeout(420)
async def test_the_demo_profile_promotes_the_good_canary_and_aborts_the_bad_one_with_an_analyzer_killed(
    stack: tuple[DockerCompose, str],
) -> None:
    compose, url = stack
    scaled = docker(
        "compose", "--project-directory", str(ROOT), "--profile", "demo", "up", "-d", "--scale", "analyzer=2"
    )
    assert scaled.returncode == 0, scaled.stderr
    keys = Keys("serinus")
    async with connected(url) as client:

        async def ended() -> dict[str, str]:
            entries: Any = await client.xrange(keys.stream(RolloutObserved.STREAM))
            seen = [from_entry(RolloutObserved, fields).data for _, fields in entries]
            return {one.run.name: one.outcome for one in seen if one.outcome}

        async def judged() -> bool:
            entries: Any = await client.xrange(keys.stream(VerdictReached.STREAM))
            return len(entries) > 10

        await eventually(judged, "verdicts", 90)
        analyzers = [one.ID for one in compose.get_containers() if one.Service == "analyzer"]
        assert len(analyzers) == 2
        assert docker("kill", str(analyzers[0])).returncode == 0

        async def done() -> bool:
            return {"checkout", "payments"} <= set(await ended())

        await eventually(done, "both releases to end", 240)
        outcomes = await ended()
        assert (outcomes["checkout"], outcomes["payments"]) == ("promoted", "aborted")

        async def tried() -> bool:
            """The shop takes no messages, so both stay in the outbox, with their tries counted."""
            causes: Any = await client.hgetall(keys.notify("causes"))
            tries: Any = await client.hgetall(keys.notify("tries"))
            return {orjson.loads(causes[one])["kind"] for one in set(causes) & set(tries)} >= {"aborted", "promoted"}

        await eventually(tried, "the notifier to try to tell of both", 30)


def compose_(*arguments: str) -> None:
    done = docker("compose", "--project-directory", str(ROOT), "--profile", "demo", *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(600)
async def test_nothing_is_lost_and_a_hold_stays_when_redis_is_restarted_and_killed_in_mid_release(
    stack: tuple[DockerCompose, str],
) -> None:
    compose, url = stack
    keys = Keys("serinus")
    streams = ("snapshots", "verdicts", "rollouts", "decisions")

    async def told() -> dict[str, dict[bytes, Any]]:
        """All entries of all streams, once Redis answers."""
        found: dict[str, dict[bytes, Any]] = {}

        async def read() -> bool:
            try:
                async with connected(url) as client:
                    for name in streams:
                        found[name] = dict(await client.xrange(keys.stream(name)))  # type: ignore[arg-type]
            except RedisError:
                return False
            return True

        await eventually(read, "Redis to answer", 60)
        return found

    async def checkout() -> list[RolloutObserved]:
        events = [from_entry(RolloutObserved, fields).data for fields in (await told())["rollouts"].values()]
        return [one for one in events if one.run.name == "checkout"]

    async def judged(since: int) -> bool:
        entries = (await told())["verdicts"].values()
        names = [from_entry(VerdictReached, fields).data.run.name for fields in entries]
        return names.count("checkout") >= since

    async def looks_go_on() -> None:
        entries = (await told())["verdicts"].values()
        seen = sum(from_entry(VerdictReached, fields).data.run.name == "checkout" for fields in entries)
        await eventually(lambda: judged(seen + 5), "five more verdicts", 90)

    async def serinus(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from serinus.app import main; main()", *arguments]
        where = {**os.environ, "SERINUS_REDIS_URL": url}
        return await asyncio.to_thread(
            subprocess.run, command, env=where, capture_output=True, text=True, timeout=60, check=False
        )

    await eventually(lambda: judged(3), "verdicts", 120)
    held = await serinus("hold", "shop/checkout")
    assert held.returncode == 0, held.stderr
    weight = (await checkout())[-1].set_weight
    (redis,) = [str(one.ID) for one in compose.get_containers() if one.Service == "redis"]
    for hurt in (
        lambda: compose_("restart", "redis"),
        lambda: (docker("kill", redis), docker("start", redis)),
        # What it knew of the hold by itself is gone with it.
        lambda: compose_("restart", "controller"),
    ):
        before = await told()
        await asyncio.to_thread(hurt)
        after = await told()
        assert {name: set(before[name]) - set(after[name]) for name in streams} == {name: set() for name in streams}
        await looks_go_on()
        assert (await checkout())[-1].set_weight == weight
    resumed = await serinus("resume", "shop/checkout")
    assert resumed.returncode == 0, resumed.stderr

    async def promoted() -> bool:
        return (await checkout())[-1].outcome == "promoted"

    await eventually(promoted, "the release to go on", 240)
