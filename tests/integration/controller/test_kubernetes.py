"""The Kubernetes adapters against the simulator's API, over HTTP, in good and bad times."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from serinus_controller.adapters.election import Election
from serinus_controller.adapters.mirror import Mirror, Resource, WatchEvent
from serinus_controller.adapters.rollouts import KubernetesRollouts
from serinus_rollouts import patches
from serinus_rollouts.kubernetes.api import PODS, ROLLOUTS, Api, ClusterError, connect
from serinus_rollouts.pods import HASH_LABEL, pod_view
from serinus_runtime.clock import now_ms

from tests.servers import free_port
from tests.simulated import World, rollout, scenario, simulated

pytestmark = pytest.mark.anyio
RESOURCE = Resource(ROLLOUTS, "rollouts")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    names = ("checkout", "payments", "search")
    with simulated(tmp_path_factory.mktemp("world"), scenario(*(rollout(name) for name in names))) as made:
        for name in names:
            made.release(name)
        for name in names:
            made.wait_for_pause(1, name)
        yield made


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    async with await connect(str(world.kubeconfig), "") as client:
        yield Api(client, timeout=30)
    world.heal()


async def test_a_rollout_is_read_and_one_that_is_not_there_is_none(api: Api) -> None:
    rollouts = KubernetesRollouts(api)
    seen = await rollouts.get("shop", "checkout")
    assert seen is not None
    assert (seen.key, seen.at_gate, seen.step) == ("shop/checkout", True, 1)
    assert await rollouts.get("shop", "nothing") is None


async def test_a_guarded_promotion_is_taken_once_and_its_repeat_is_refused(api: Api, world: World) -> None:
    rollouts = KubernetesRollouts(api)
    seen = await rollouts.get("shop", "payments")
    assert seen is not None
    assert await rollouts.patch_status("shop", "payments", patches.promote(seen))
    assert await rollouts.patch_status("shop", "payments", patches.promote(seen)) is None
    await asyncio.to_thread(world.wait_for_pause, 3, "payments")


async def test_a_merge_patch_changes_the_message_only(api: Api, world: World) -> None:
    assert await KubernetesRollouts(api).patch_status("shop", "search", patches.nudge("hello"))
    assert world.status("search")["currentStepIndex"] == 1


async def test_a_patch_of_a_rollout_that_is_gone_is_refused_not_an_error(api: Api) -> None:
    assert await KubernetesRollouts(api).patch_status("shop", "nothing", patches.nudge("x")) is None


@pytest.mark.parametrize("code", [403, 429, 500, 503])
async def test_an_api_server_in_trouble_is_an_error_with_its_code(api: Api, world: World, code: int) -> None:
    world.fault(target="kubernetes", effect="status", code=code)
    with pytest.raises(ClusterError) as failed:
        await KubernetesRollouts(api).get("shop", "checkout")
    assert failed.value.status == code


async def test_no_answer_is_an_error_too(api: Api, world: World) -> None:
    world.fault(target="kubernetes", effect="slow", seconds=10)
    with pytest.raises(ClusterError, match="TimeoutError"):
        await api.within(0.2).request("GET", ROLLOUTS + "/rollouts")
    world.heal()
    world.fault(target="kubernetes", effect="drop")
    with pytest.raises(ClusterError):
        await KubernetesRollouts(api).get("shop", "checkout")


async def test_a_mirror_lists_everything_page_by_page(api: Api) -> None:
    for namespace in ("", "shop"):
        names = {item["metadata"]["name"] for item in await Mirror(api, RESOURCE, namespace).list()}
        assert names == {"checkout", "payments", "search"}
    assert await Mirror(api, RESOURCE, "elsewhere").list() == []
    pods = [pod_view(item) for item in await Mirror(api, Resource(PODS, "pods", HASH_LABEL), "shop").list()]
    assert {pod.owner.rsplit("-", 1)[0] for pod in pods} == {"checkout", "payments", "search"}
    assert all(pod.ready and pod.started for pod in pods)


async def change_to(mirror: Mirror, message: str) -> WatchEvent:
    async for change in mirror.watch(60):
        if change.object["status"].get("message") == message:
            return change
    raise AssertionError("the watch ended without a change")


async def test_a_watch_gives_what_changes_after_the_list(api: Api) -> None:
    mirror = Mirror(api, RESOURCE, "shop")
    await mirror.list()
    watching = asyncio.create_task(change_to(mirror, "look here"))
    await KubernetesRollouts(api).patch_status("shop", "search", patches.nudge("look here"))
    change = await watching
    assert (change.type, change.object["metadata"]["name"]) == ("changed", "search")


async def test_a_change_that_is_larger_than_is_read_ends_the_watch_and_not_who_watches(api: Api, world: World) -> None:
    mirror = Mirror(api, RESOURCE, "")
    await mirror.list(list)
    try:
        assert world.patch({"metadata": {"annotations": {"large": "x" * 5_000_000}}}, "search") == 200
        with pytest.raises(ClusterError, match="LineTooLong"):
            _ = [event async for event in mirror.watch(30)]
    finally:
        world.patch({"metadata": {"annotations": {"large": None}}}, "search")


async def test_a_watch_ends_by_itself(api: Api) -> None:
    mirror = Mirror(api, RESOURCE, "where-nothing-changes")
    await mirror.list()
    async with asyncio.timeout(60):
        assert [change async for change in mirror.watch(1)] == []


@pytest.mark.parametrize("effect", ["expire_watches", "close_watches"])
async def test_a_watch_that_is_expired_or_cut_only_brings_the_next_list_forward(
    api: Api, world: World, effect: str
) -> None:
    mirror = Mirror(api, RESOURCE, "shop")
    await mirror.list()

    async def follow() -> list[WatchEvent]:
        return [change async for change in mirror.watch(600)]

    following = asyncio.create_task(follow())
    async with asyncio.timeout(60):
        while not following.done():  # once the watch stands, the fault ends it
            await asyncio.to_thread(world.fault, target="kubernetes", effect=effect)
            await asyncio.wait({following}, timeout=0.1)
        with contextlib.suppress(ClusterError):
            await following
    assert await mirror.list()


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def candidate(api: Api, name: str, clock: Clock, lease: str) -> Election:
    return Election(api, "serinus", lease, name, duration=15, monotonic=clock, clock=now_ms)


async def test_one_candidate_leads_and_the_other_takes_over_when_the_lease_has_run_out(api: Api) -> None:
    clock = Clock()
    one, two = (candidate(api, name, clock, "takeover") for name in ("one", "two"))
    await one.attempt()
    await two.attempt()
    assert (one.leading, two.leading) == (True, False)
    clock.now = 14
    await two.attempt()
    assert (one.leading, two.leading) == (False, False), "who could not renew stops before the other may begin"
    clock.now = 15.1
    await two.attempt()
    assert two.leading
    await one.attempt()
    assert not one.leading


async def test_a_leader_that_renews_stays_leader(api: Api) -> None:
    clock = Clock()
    one, two = (candidate(api, name, clock, "renewal") for name in ("one", "two"))
    for _ in range(10):
        await one.attempt()
        await two.attempt()
        clock.now += 5
    await one.attempt()
    assert (one.leading, two.leading) == (True, False)


async def test_a_lease_that_is_given_back_is_free_at_once(api: Api) -> None:
    clock = Clock()
    one, two = (candidate(api, name, clock, "release") for name in ("one", "two"))
    await one.attempt()
    await one.release()
    assert not one.leading
    await two.attempt()
    assert two.leading


async def test_an_election_survives_an_api_server_that_is_away_or_talks_nonsense(api: Api, world: World) -> None:
    clock = Clock()
    one = candidate(api, "one", clock, "trouble")
    await one.attempt()
    for fault in ({"effect": "status", "code": 502}, {"effect": "drop"}):
        world.fault(target="kubernetes", **fault)
        with pytest.raises(ClusterError):
            await one.attempt()
        world.heal()
    assert one.leading
    async with await connect(*nobody(world)) as client:
        with pytest.raises(ClusterError):
            await candidate(Api(client, 1), "three", clock, "trouble").attempt()


def nobody(world: World) -> tuple[str, str]:
    """A kubeconfig that names an address where nobody listens."""
    text = world.kubeconfig.read_text().replace(world.url, f"http://127.0.0.1:{free_port()}")
    path = world.kubeconfig.with_name("nobody")
    path.write_text(text)
    return str(path), ""


async def test_two_who_write_at_the_same_moment_do_not_both_lead(api: Api) -> None:
    clock = Clock()
    candidates = [candidate(api, f"c{i}", clock, "race") for i in range(8)]
    await asyncio.gather(*(one.attempt() for one in candidates))
    assert sum(one.leading for one in candidates) == 1
