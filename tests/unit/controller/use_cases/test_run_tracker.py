"""Which run a Rollout is in, and what is told of it, while it changes and while nobody looks."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import ResponseError
from serinus_contracts import RolloutObserved
from serinus_contracts.policy import Match
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_rollouts.pods import PodView
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt

from tests.unit.controller.use_cases.registry import POLICY, Failing, FakeRegistry, later, resolving
from tests.unit.rollouts.objects import ABORTED, INVALID, STEPS, at, document

pytestmark = pytest.mark.anyio
EDITED = [{"setWeight": 1}, {"pause": {}}, *STEPS]


class World:
    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.tracker = RunTracker(self.registry, "test", resolving(lambda: [POLICY]))
        self.tracker.pods.replace([], namespace="")

    def runs(self) -> list[tuple[int, str | None]]:
        """What was told of which attempt: where it begins, and how it ended."""
        told = [(one.run.attempt, None) for one in self.registry.observed]
        return list(dict.fromkeys(told)) + [(one.run.attempt, one.outcome) for one in self.registry.retired]


async def test_edited_steps_end_the_run_and_begin_another_attempt_with_its_own_plan() -> None:
    world = World()
    await world.tracker.see(later(100))
    first = world.tracker.runs["u-1"]
    edited = {"spec": {"strategy": {"canary": {"steps": EDITED}}}}
    await world.tracker.see(later(101, **edited, status={"currentStepHash": "s2", "currentStepIndex": 0}))
    assert world.runs() == [(1, None), (2, None), (1, "superseded")]
    second = world.tracker.runs["u-1"]
    assert (len(first.plan.stages), len(second.plan.stages)) == (3, 4)
    assert second.last_published.stage == 0


@pytest.mark.parametrize(
    ("added", "status", "trouble"),
    [
        ({"setWeight": 1}, {"observedGeneration": "2"}, ""),
        ({"setWeight": 500}, INVALID, "InvalidSpec: no canary Service"),
    ],
)
async def test_while_argo_has_not_taken_up_edited_steps_what_was_planned_is_in_force_and_looked_at(
    added: dict[str, int], status: dict[str, Any], trouble: str
) -> None:
    world = World()
    await world.tracker.see(later(100))
    edited = {"spec": {"strategy": {"canary": {"steps": [added, *STEPS], "trafficRouting": {"nginx": {}}}}}}
    for asked in (1, 2):
        await world.tracker.see_all([later(101, **edited, status=status)], asked=asked, namespace="")
    told = world.registry.observed[-1]
    assert (told.steps, told.stage, told.set_weight, told.steady, told.trouble) == (6, 0, 5, True, trouble)
    assert told.stage_started == world.registry.observed[0].stage_started
    assert world.registry.said_constant == [("u-1", 2)]
    live = world.tracker.runs["u-1"].view
    assert live is not None
    assert [step.kind for step in live.steps] == ["setWeight", "pause"] * 3
    assert not live.at_gate


@pytest.mark.parametrize("status", [{"abort": True}, {"abort": True, **INVALID}, {"abort": True, "phase": "Degraded"}])
async def test_an_abort_has_not_ended_the_run_before_the_traffic_is_back(status: dict[str, Any]) -> None:
    world = World()
    await world.tracker.see(later(100))
    for index, version in ((1, 101), (0, 102)):
        standing = later(version, status={**status, "currentStepIndex": index, "pauseConditions": None})
        await world.tracker.see_all([standing], asked=version, namespace="")
    told = world.registry.observed[-1]
    assert (told.aborting, told.outcome, told.step, told.stage, told.steady) == (True, None, 1, 0, True)
    await world.tracker.see(later(103, status=ABORTED))
    assert world.runs() == [(1, None), (1, "aborted")]


async def test_an_abort_that_is_taken_back_while_it_stands_ends_the_run_and_begins_another() -> None:
    world = World()
    await world.tracker.see(later(100))
    await world.tracker.see(later(101, status={"abort": True, **INVALID}))
    await world.tracker.see(later(102, status={"abort": False, **INVALID}))
    assert world.runs() == [(1, None), (2, None), (1, "superseded")]


async def test_a_run_that_argo_aborts_by_itself_can_be_tried_again() -> None:
    """It sets the index to 0 in the same write, which is another attempt only after a retry."""
    world = World()
    await world.tracker.see(later(100))
    run = world.tracker.runs["u-1"].run
    await world.tracker.see(later(101, status={**ABORTED, "canary": document()["status"]["canary"]}))
    await world.tracker.see(later(102, status=ABORTED))
    assert world.runs() == [(1, None), (1, "aborted")]
    assert await world.tracker.aborted(run.id)


BARE: dict[str, Any] = {"spec": {"strategy": {"canary": {"steps": STEPS}}}}


async def test_without_traffic_routing_an_abort_has_ended_the_run_when_no_canary_pods_are_left() -> None:
    world = World()
    await world.tracker.see(later(100, **BARE, status={"canary": {}, "updatedReplicas": 1}))
    aborted = {**ABORTED, "canary": {}}
    await world.tracker.see(later(101, **BARE, status={**aborted, "updatedReplicas": 1}))
    assert world.registry.observed[-1].aborting
    assert world.registry.retired == []
    await world.tracker.see(later(102, **BARE, status=aborted))
    assert world.runs() == [(1, None), (1, "aborted")]


class AbortsAreSeenThrough(RuleBasedStateMachine):
    """Whatever becomes of a Rollout, an abort ends with the traffic back, or by somebody's doing, and not otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.version = World(), 100
        self.status: dict[str, Any] = document()["status"]
        self.uid, self.ended = "u-1", False
        self._see()

    def _see(self, **status: Any) -> None:
        self.status = {**self.status, **status}
        self.version += 1
        asyncio.run(self.world.tracker.see(later(self.version, status=self.status)))

    @property
    def back(self) -> bool:
        return self.status.get("abort") is True and self.status["phase"] == "Degraded" and not self._weight

    @property
    def _weight(self) -> int:
        weight: int = self.status["canary"]["weights"]["canary"]["weight"]
        return weight

    @rule()
    def abort(self) -> None:
        self._see(abort=True)

    @rule()
    def retry(self) -> None:
        self.ended = self.ended or self.status.get("abort") is not False
        self._see(abort=False)

    @rule(valid=st.booleans())
    def spec(self, valid: bool) -> None:
        good: dict[str, Any] = {"conditions": [], "phase": "Degraded" if self.status.get("abort") else "Paused"}
        self._see(**(good if valid else INVALID))

    @rule(weight=st.sampled_from((0, 5)))
    def weigh(self, weight: int) -> None:
        self._see(canary={"weights": {"canary": {"weight": weight, "podTemplateHash": self.status["currentPodHash"]}}})

    @rule()
    def reset_index(self) -> None:
        if self.status.get("abort"):
            self._see(currentStepIndex=0, pauseConditions=[])

    @rule(ready=st.booleans())
    def forget(self, ready: bool) -> None:
        """Another controller leads."""
        before = self.world
        self.world = World()
        self.world.registry = before.registry
        self.world.tracker = RunTracker(before.registry, "test", resolving(lambda: [POLICY]))
        asyncio.run(self.world.tracker.restore())
        if ready:
            self._see()

    @invariant()
    def a_run_is_live_until_then(self) -> None:
        first = [one for one in self.world.registry.retired if one.run.attempt == 1]
        self.ended = self.ended or self.back
        assert [one.outcome for one in first] in ([], ["aborted"], ["superseded"])
        if first and first[0].outcome == "aborted":
            assert first[0].actual_weight == 0
        if not self.ended:
            assert first == []


AbortsAreSeenThrough.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
TestAbortsAreSeenThrough = AbortsAreSeenThrough.TestCase


async def test_a_rollout_that_is_scaled_is_followed_all_the_while() -> None:
    world = World()
    await world.tracker.see(later(100))
    await world.tracker.see_all([later(101, status={"observedGeneration": "2"})], asked=1, namespace="")
    assert len(world.registry.observed) == 2


async def test_a_list_that_shows_nothing_new_says_so_until_a_pod_changes_or_is_gone() -> None:
    world = World()
    pod = PodView("shop", "checkout-new-1", "checkout-new", 1, ready=True, restarts=0, version=90)
    await world.tracker.see_all([later(100)], asked=1, namespace="")
    told = world.registry.observed
    for asked, (pods, ready) in enumerate([([], 0), ([pod], 1), ([pod], 1), ([replace(pod, ready=False)], 0), ([], 0)]):
        before, constant = len(told), len(world.registry.said_constant)
        changed = [one.ready for one in told[-1].pods] != [one.ready for one in pods]
        world.tracker.pods.replace([replace(one, version=90 + asked) for one in pods], namespace="")
        await world.tracker.see_all([later(100)], asked=10 + asked, namespace="")
        assert len(told) - before == int(changed)
        assert world.registry.said_constant[constant:] == ([] if changed else [("u-1", 10 + asked)])
        assert sum(one.ready for one in told[-1].pods) == ready


async def test_an_abort_and_a_retry_while_nobody_led_begin_another_attempt() -> None:
    for retried in ({"abort": False}, {"currentStepIndex": 0}):
        world = World()
        await world.tracker.see(later(100))
        following = RunTracker(world.registry, "test", resolving(lambda: [POLICY]))
        following.pods.replace([], namespace="")
        await following.restore()
        await following.see(later(300, status=retried))
        assert world.runs() == [(1, None), (2, None), (1, "superseded")]


@pytest.mark.parametrize(
    ("namespaces", "outcomes"), [((), []), (("shop", "home"), []), (("home",), [(1, None), (1, "deleted")])]
)
async def test_a_run_whose_namespace_is_watched_no_longer_ends_when_the_next_leader_begins(
    namespaces: tuple[str, ...], outcomes: list[tuple[int, str | None]]
) -> None:
    world = World()
    await world.tracker.see(later(100))
    following = RunTracker(world.registry, "test", resolving(lambda: [POLICY]), namespaces)
    await following.restore()
    assert world.runs() == (outcomes or [(1, None)])
    assert bool(following.runs) is not bool(outcomes)


HOME = POLICY.model_copy(update={"spec": POLICY.spec.model_copy(update={"match": Match(namespace="home")})})


@dataclass
class AgeingRegistry(FakeRegistry):
    """Time goes on whenever it is asked for."""

    clock: int = 1_000_000

    async def now(self) -> int:
        self.clock += 1_000
        return self.clock


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[RolloutView], list[PodView]]:
    """Releases in two namespaces at a gate or between, with and without routing, and their pods, ready or not."""
    views, pods = [], []
    for namespace in ("home", "shop"):
        for name in draw(st.lists(st.sampled_from(("cart", "checkout")), min_size=1, unique=True)):
            index = draw(st.integers(0, 5))
            routing: dict[str, Any] = {} if draw(st.booleans()) else {"trafficRouting": {"nginx": {}}}
            weight = {"weight": draw(st.sampled_from((5, 25, 50))), "podTemplateHash": "new"}
            status: dict[str, Any] = {"currentStepIndex": index, "canary": {"weights": {"canary": weight}}}
            if index % 2 == 0 or draw(st.booleans()):
                status |= {"phase": "Progressing", "pauseConditions": None}
            metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": "100"}
            views.append(
                at(metadata=metadata, spec={"strategy": {"canary": {"steps": STEPS, **routing}}}, status=status)
            )
            for arm in ("new", "old"):
                for number in range(draw(st.integers(0, 2))):
                    ready, version = draw(st.booleans()), draw(st.integers(50, 150))
                    owner = f"{name}-{arm}"
                    pods.append(PodView(namespace, f"{owner}-{number}", owner, 1, ready, 0, version))
    return views, pods


@given(worlds(), st.data())
def test_whatever_is_listed_first_a_restart_tells_nothing_new_of_a_world_that_has_not_changed(
    world: tuple[list[RolloutView], list[PodView]], data: st.DataObject
) -> None:
    views, pods = world
    everywhere = data.draw(st.booleans(), label="all namespaces by one watch")
    places = [""] if everywhere else ["home", "shop"]
    lists = data.draw(st.permutations([(kind, place) for kind in ("pods", "rollouts") for place in places] * 2))

    def within(found: Sequence[Any], place: str) -> list[Any]:
        return [one for one in data.draw(st.permutations(found)) if place in ("", one.namespace)]

    async def check() -> None:
        registry = AgeingRegistry()
        before = RunTracker(registry, "test", resolving(lambda: [POLICY, HOME]))
        before.pods.replace(pods, namespace="")
        await before.see_all(views, asked=1, namespace="")
        told = list(registry.observed)
        assert len(told) == len(views)
        restarted = RunTracker(registry, "test", resolving(lambda: [POLICY, HOME]), () if everywhere else places)
        await restarted.restore()
        for kind, place in lists:
            if kind == "pods":
                restarted.pods.replace(within(pods, place), namespace=place)
            else:
                await restarted.see_all(within(views, place), asked=2, namespace=place)
        for one in views:
            await restarted.see(one)
        assert (registry.observed, registry.retired) == (told, [])
        assert {run.last_published.stage_started for run in restarted.runs.values()} == {
            one.stage_started for one in told
        }

    asyncio.run(check())


async def test_a_rollout_that_cannot_be_observed_is_held_and_complained_of_once_while_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = Failing()
    tracker = RunTracker(registry, "test", resolving(lambda: [POLICY]))
    tracker.pods.replace([], namespace="")
    bad = {"uid": "bad", "name": "bad"}
    await tracker.see(at(metadata=bad))
    worse = at(metadata={**bad, "resourceVersion": "101"}, status={"currentStepIndex": 0, "currentStepHash": "s2"})
    for _ in range(2):
        await tracker.see_all([worse, later(100)], asked=1, namespace="")
    assert set(tracker.runs) == {"bad", "u-1"}
    run = tracker.runs["bad"].run
    assert tracker.doubt(run) == "its Rollout cannot be observed: RuntimeError: a bug"
    assert tracker.doubt(tracker.runs["u-1"].run) == ""
    assert len([line for line in caplog.messages if line.startswith("skipping rollout shop/bad")]) == 1
    assert registry.retired == []


async def test_a_run_whose_rollout_is_there_and_unreadable_is_not_ended() -> None:
    world = World()
    await world.tracker.see(later(100))
    await world.tracker.see_all([], asked=1, namespace="", unread={"u-1"})
    assert list(world.tracker.runs) == ["u-1"]
    await world.tracker.see_all([], asked=1, namespace="")
    assert world.runs()[-1] == (1, "deleted")


async def test_a_redis_that_is_away_is_about_all_and_raised() -> None:
    class Away(FakeRegistry):
        async def attempt(self, cluster: str, seen: RolloutView, *, another: bool = False) -> Attempt:
            raise RedisAwayError("away")

    tracker = RunTracker(Away(), "test", resolving(lambda: [POLICY]))
    tracker.pods.replace([], namespace="")
    with pytest.raises(RedisAwayError):
        await tracker.see(later(100))


async def test_one_run_that_cannot_be_said_to_stand_as_it_was_costs_no_other() -> None:
    class Wrong(FakeRegistry):
        async def constant(self, told: Sequence[RolloutObserved], until: int) -> Collection[str]:
            if any(one.run.uid == "bad" for one in told):
                raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
            return await super().constant(told, until)

    registry = Wrong()
    tracker = RunTracker(registry, "test", resolving(lambda: [POLICY]))
    tracker.pods.replace([], namespace="")
    for asked in (1, 2):
        await tracker.see_all([at(metadata={"uid": "bad", "name": "bad"}), later(100)], asked=asked, namespace="")
    assert registry.said_constant == [("u-1", 2)]


async def test_a_policy_that_does_not_fit_is_not_resolved_again_while_a_rollout_changes_in_nothing_that_matters() -> (
    None
):
    chosen = 0
    unfit = POLICY.model_copy(update={"metadata": POLICY.metadata.model_copy(update={"name": "other"})})

    class Counting(FakeRegistry):
        async def attempt(self, *arguments: Any, **options: Any) -> Attempt:
            nonlocal chosen
            chosen += 1
            return await super().attempt(*arguments, **options)

    policies = [POLICY, unfit]
    tracker = RunTracker(Counting(), "test", resolving(lambda: policies))
    tracker.pods.replace([], namespace="")
    for version in range(100, 150):
        await tracker.see(later(version))
    assert (chosen, dict(tracker.runs)) == (1, {})
    policies.pop()
    await tracker.see(later(151))
    assert len(tracker.runs) == 1
