"""Why a release is not judged, as the cluster is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_contracts import CanaryPolicy
from serinus_contracts.crd import KIND
from serinus_controller.domain.announce import Notice
from serinus_controller.use_cases.pace_watch import CALM_TIMES, TIMES, PaceWatch
from serinus_controller.use_cases.run_tracker import RunTracker

from tests.unit.controller.use_cases.registry import POLICY, Failing, FakeRegistry, resolving
from tests.unit.rollouts.objects import STEPS, at

pytestmark = pytest.mark.anyio

NAMED = POLICY.model_copy(update={"metadata": POLICY.metadata.model_copy(update={"name": "other"})})


@pytest.mark.parametrize(
    ("steps", "policies", "text", "named"),
    [
        ([{"pause": {}}], [POLICY], "has nothing to judge", ("shop",)),
        ([{"setWeight": 500}, {"pause": {}}], [POLICY], "sets a weight of 500 %", ("shop",)),
        (STEPS, [POLICY, NAMED], "is matched by several policies (shop, other): none is applied", ("shop", "other")),
    ],
)
async def test_why_a_release_is_not_judged_is_said_once_in_the_cluster(
    steps: list[dict[str, Any]], policies: list[CanaryPolicy], text: str, named: tuple[str, ...]
) -> None:
    said: list[Notice] = []
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: policies, said.append))
    tracker.pods.replace([], namespace="")
    for asked in (1, 2):
        await tracker.see_all([at(spec={"strategy": {"canary": {"steps": steps}}})], asked=asked, namespace="")
    assert [(one.namespace, one.name, one.uid, one.policies) for one in said] == [("shop", "checkout", "u-1", named)]
    assert text in said[0].text


async def test_a_release_whose_policy_asks_a_provider_of_other_namespaces_is_not_judged() -> None:
    said: list[Notice] = []
    for namespaces, told in (("bank",), 1), (("sh*", "bank"), 0), ((), 0):
        said.clear()
        tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: [POLICY], said.append, {"main": namespaces}))
        tracker.pods.replace([], namespace="")
        await tracker.see_all([at()], asked=1, namespace="")
        assert (len(tracker.runs), len(said)) == (1 - told, told)
        assert all("provider main is not for namespace shop" in one.text for one in said)


async def test_a_rollout_that_cannot_be_observed_is_told_of_once_in_the_cluster() -> None:
    said: list[Notice] = []
    tracker = RunTracker(Failing(), "test", resolving(lambda: [POLICY], said.append))
    tracker.pods.replace([], namespace="")
    for _ in range(2):
        await tracker.see(at(metadata={"uid": "bad", "resourceVersion": "101"}))
    assert [one.text for one in said] == ["its Rollout cannot be observed: RuntimeError: a bug"]


async def test_whose_snapshots_are_paced_for_good_is_told_why_and_the_way_out_once() -> None:
    said: list[Notice] = []
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: [POLICY], said.append))
    tracker.pods.replace([], namespace="")
    await tracker.see_all([at()], asked=1, namespace="")
    (live,) = tracker.runs.values()
    paced = {"shop": 60.0, "bank": 60.0}

    async def ask() -> Mapping[str, float]:
        return paced

    watch = PaceWatch(tracker, ask)
    for _ in range(TIMES - 1):
        await watch.step()
        assert watch.policies is None, "not known yet"
    assert said == [], "a moment's rush is not told"
    for _ in range(3):
        await watch.step()
    assert [(one.namespace, one.name, one.policies) for one in said] == [("shop", "checkout", ())]
    assert "those of namespace shop take more time" in said[0].text
    assert "SERINUS_NAMESPACE_SHARE" in said[0].text
    # What else is told of it meanwhile is no reason to tell it again.
    for number in range(3):
        tracker.resolver.checked(live.plan.model_copy(update={"policy": "gone"}), at(), live.run)
        await watch.step()
        assert len(said) == 2, number
    assert watch.policies == {}, "its policy is a file"
    object.__setattr__(live, "plan", live.plan.model_copy(update={"source": KIND}))
    await watch.step()
    assert watch.policies == {"CanaryPolicy shop/shop": said[0].text}
    paced["shop"] = live.plan.interval / 2
    for number in range(CALM_TIMES):
        assert watch.policies, number
        await watch.step()
    assert watch.policies == {}
    paced["shop"] = 60.0
    await watch.step()
    assert len(said) == 3, "it was kept for long"


async def test_a_policy_stands_as_paced_for_ten_minutes_after_its_last_slowed_release_has_ended() -> None:
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: [POLICY]))
    tracker.pods.replace([], namespace="")
    await tracker.see_all([at()], asked=1, namespace="")
    (live,) = tracker.runs.values()
    object.__setattr__(live, "plan", live.plan.model_copy(update={"source": KIND}))

    async def paced() -> Mapping[str, float]:
        return {"shop": 60.0}

    watch = PaceWatch(tracker, paced)
    for _ in range(TIMES):
        await watch.step()
    await tracker.see_all([], asked=2, namespace="")
    assert not tracker.runs
    for number in range(CALM_TIMES):
        assert list(watch.policies or ()) == ["CanaryPolicy shop/shop"], number
        await watch.step()
    assert watch.policies == {}


async def test_the_next_release_of_a_rollout_is_told_that_it_is_paced_too() -> None:
    said: list[Notice] = []
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: [POLICY], said.append))
    tracker.pods.replace([], namespace="")

    async def paced() -> Mapping[str, float]:
        return {"shop": 60.0}

    watch = PaceWatch(tracker, paced)
    for release in (1, 2):
        seen = at(metadata={"resourceVersion": f"10{release}"}, status={"currentPodHash": f"new-{release}"})
        await tracker.see_all([seen], asked=release, namespace="")
        for _ in range(2 * TIMES):
            await watch.step()
        assert len(said) == release


async def test_why_a_plan_is_not_gone_on_with_and_why_no_policy_can_be_applied_are_told_once_each() -> None:
    said: list[Notice] = []
    policies = [POLICY]
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: policies, said.append))
    tracker.pods.replace([], namespace="")
    await tracker.see_all([at()], asked=1, namespace="")
    (live,) = tracker.runs.values()
    policies.append(NAMED)
    for _ in range(3):
        assert tracker.resolver.checked(live.plan, at(), live.run) is live.plan
    assert len(said) == 2
    assert "several policies" in said[0].text
    assert "not gone on with" in said[1].text


async def test_beyond_so_many_runs_of_a_namespace_a_release_is_left_to_itself_and_told_why() -> None:
    registry, notices = FakeRegistry(), list[Notice]()
    tracker = RunTracker(registry, "test", resolving(lambda: [POLICY], notices.append), max_runs=2)
    tracker.pods.replace([], namespace="")
    views = [at(metadata={"uid": f"u-{number}", "name": f"r{number}"}) for number in range(4)]
    await tracker.see_all(views, asked=1, namespace="")
    assert len(tracker.runs) == 2
    assert [(one.name, one.text) for one in notices] == [
        (
            name,
            f"shop/{name} is not judged: namespace shop has 2 releases under way, as many as are judged at once "
            "(SERINUS_MAX_RUNS)",
        )
        for name in ("r2", "r3")
    ]


async def test_what_a_namespace_leaves_in_redis_ends_what_it_may_begin_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notices = list[Notice]()
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: [POLICY], notices.append))
    tracker.pods.replace([], namespace="")
    monkeypatch.setattr("serinus_controller.use_cases.admission.MAX_BYTES", 1)
    await tracker.see_all([at(metadata={"uid": f"u-{one}", "name": one}) for one in "ab"], asked=1, namespace="")
    assert [live.run.name for live in tracker.runs.values()] == ["a"]
    (told,) = notices
    assert told.text.startswith("shop/b is not judged: namespace shop has releases under way whose plans take")


CASE = Path(__file__).parents[3] / "cases" / "01-rollout-without-set-weight.yaml"
NOTHING: list[dict[str, object]] = [
    {"canary": {"steps": [{"pause": {}}]}},
    {"canary": {"steps": [{"setHeaderRoute": {"name": "inner"}}, {"pause": {"duration": "1m"}}]}},
    {"canary": {}},
    {"blueGreen": {"activeService": "quilt"}},
]


@pytest.mark.parametrize("strategy", NOTHING)
async def test_a_rollout_without_a_weight_is_passed_over_with_a_word_and_its_neighbour_is_judged(
    strategy: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    quilt, loom, policy = yaml.safe_load_all(CASE.read_text())
    assert quilt["spec"]["strategy"] == NOTHING[0]
    mill = [CanaryPolicy.model_validate(policy)]
    tracker = RunTracker(FakeRegistry(), "test", resolving(lambda: mill))
    tracker.pods.replace([], namespace="")
    where = {name: {"metadata": {"name": name, "namespace": "mill", "uid": name}} for name in ("quilt", "loom")}
    seen = [at(**where["quilt"], spec={"strategy": strategy}), at(**where["loom"], spec=loom["spec"])]
    for _ in range(2):
        await tracker.see_all(seen, asked=1, namespace="")
    assert list(tracker.runs) == ["loom"]
    assert [line for line in caplog.messages if "nothing to judge" in line] == [
        "Rollout mill/quilt has nothing to judge: no step of its canary strategy sets a weight; "
        "add steps such as `setWeight: 10` and `pause: {}`"
    ]
