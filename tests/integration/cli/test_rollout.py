"""`serinus rollout` against a simulated cluster over HTTP, as the deployment script that it replaces was called."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from redis import Redis
from serinus_contracts import Keys, seal, to_entry

from tests.forked import forked_group, running
from tests.integration.cli.command import serinus
from tests.servers import free_port, wait_until
from tests.simulated import World, rollout, scenario, simulated
from tests.support import RUN, verdict

pytestmark = pytest.mark.timeout(300)  # each starts a process or two, which load takes seconds for
IMAGE = "registry.example.com/shop/checkout:v2"
Shown = subprocess.CompletedProcess[str]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with simulated(tmp_path / "world", scenario(rollout(steps=[{"setWeight": 5}, {"pause": {}}]))) as made:
        yield made


def command(world: World, *more: str, image: str = IMAGE) -> Shown:
    where = {"KUBECONFIG": str(world.kubeconfig), "SERINUS_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    return serinus("rollout", "shop/checkout", image, *more, **where)


def followed(world: World, *more: str) -> Future[Shown]:
    """The command, once the release that it began has come to its pause."""
    running = ThreadPoolExecutor(1).submit(command, world, "--wait", *more)
    world.wait_for_pause(1, seconds=90)
    return running


def test_a_release_that_is_promoted_ends_with_0(world: World) -> None:
    running = followed(world)
    assert world.patch({"status": {"pauseConditions": None}}, part="/status") == 200
    shown = running.result(90)
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, "promoted: the new version serves all traffic")
    assert "image of app set to registry.example.com/shop/checkout:v2, was" in shown.stdout
    assert "shows the Rollout's status alone" in shown.stdout


def test_a_release_that_is_aborted_ends_with_3_and_is_not_begun_again_by_the_same_command(world: World) -> None:
    running = followed(world)
    assert world.patch({"status": {"abort": True}}, part="/status") == 200
    shown = running.result(90)
    assert (shown.returncode, shown.stdout.splitlines()[-1].partition(":")[0]) == (3, "aborted")
    again = command(world)
    assert (again.returncode, "serinus retry shop/checkout" in again.stderr) == (3, True)


def test_a_release_that_does_not_end_in_time_ends_with_4_and_goes_on(world: World) -> None:
    shown = command(world, "--wait", "--timeout", "1s")
    assert shown.returncode == 4
    assert "timeout: not ended within 1 s; it goes on" in shown.stdout
    assert not world.status().get("abort")


def test_another_revision_in_its_place_is_an_error(world: World) -> None:
    running = followed(world)
    world.release(tag="v3")
    shown = running.result(90)
    assert (shown.returncode, "superseded: another revision" in shown.stdout) == (1, True)


def test_an_api_server_that_fails_for_a_while_is_waited_for(world: World) -> None:
    running = followed(world)
    world.fault(target="kubernetes", effect="status", code=503, resources=["rollouts"], verbs=["get"], calls=3)
    world.patch({"status": {"pauseConditions": None}}, part="/status")
    assert running.result(90).returncode == 0


@pytest.fixture(params=["streams", "console"])
def where(request: pytest.FixtureRequest, redis_url: str, keys: Keys, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings by which the command hears of verdicts: from Redis itself, or from a console alone."""
    redis = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag}
    if request.param == "streams":
        yield redis
        return
    port = free_port()
    with forked_group(tmp_path) as children:
        children.start("console", "serinus_console", SERINUS_HTTP_PORT=str(port), **redis)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 60, "the console to answer")
        yield {"SERINUS_CONSOLE": f"http://127.0.0.1:{port}"}


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=60).is_success
    return False


def test_verdicts_are_told_as_they_come_by_redis_and_by_a_console(
    world: World, where: dict[str, str], redis_url: str, keys: Keys, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = "from serinus.app import main; main()"
    arguments = ["rollout", "shop/checkout", IMAGE, "--wait", "--kubeconfig", str(world.kubeconfig)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **where}
    with (
        out.open("w") as file,
        Redis.from_url(redis_url) as redis,
        subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=file, env=environment) as process,
    ):
        world.wait_for_pause(1, seconds=90)
        seen = world.rollout()
        changes = {"uid": seen["metadata"]["uid"], "canary_hash": seen["status"]["currentPodHash"]}
        told = verdict(run=RUN.model_copy(update=changes))

        def heard() -> bool:
            redis.xadd(keys.stream("verdicts"), dict(to_entry(seal(told, source="/test", now=0))))
            return told.sentence in out.read_text()

        wait_until(heard, 60, "the verdict to be told")
        assert world.patch({"status": {"pauseConditions": None}}, part="/status") == 200
        assert process.wait(90) == 0
    assert "without verdicts" not in out.read_text()


def test_ctrl_c_leaves_the_release_running_and_says_so(world: World, tmp_path: Path) -> None:
    arguments = ["rollout", "shop/checkout", IMAGE, "--wait", "--kubeconfig", str(world.kubeconfig)]
    out, err = tmp_path / "out", tmp_path / "err"
    with running("serinus.app:main", *arguments, out=out, err=err, environment=os.environ) as process:
        world.wait_for_pause(1, seconds=90)
        process.interrupt()
        assert process.wait(90) == 130
    assert "the release of shop/checkout goes on. To end it: serinus abort shop/checkout" in out.read_text()
    assert not world.status().get("abort")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("nothere", IMAGE), 1, "there is no Rollout default/nothere"),
        (("shop/checkout", IMAGE, "--container", "web"), 1, "there is no container web; there are app"),
        (("shop/checkout", IMAGE, "--context", "mars"), 1, "has no context mars"),
        (("shop/checkout", IMAGE, "--timeout", "soon"), 2, "is no duration"),
        (("shop/checkout", IMAGE, "--kubeconfig", "/no/such"), 1, "no kubeconfig at /no/such"),
    ],
)
def test_bad_input_is_an_error_that_names_the_way_out(
    world: World, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    shown = serinus("rollout", *arguments, KUBECONFIG=str(world.kubeconfig))
    assert (shown.returncode, complaint in shown.stderr.replace("\n", " ")) == (code, True), shown.stderr
    assert world.status()["currentPodHash"] == world.status()["stableRS"]
