"""Beside whatever a tenant writes, as far as the API server takes it, the others' releases are judged and acted on."""

import asyncio
from typing import Any

from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, RolloutObserved, seal, to_entry
from serinus_controller.adapters.policy_sources import PolicySink
from serinus_controller.adapters.watching import PodSink, RolloutSink
from serinus_controller.entrypoints.batches import each
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.policy_store import PolicyStore
from serinus_controller.use_cases.policy_store import Telemetry as PolicyTelemetry
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.silence import SilenceWatch
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.rollout import RolloutView
from serinus_runtime.complaints import Complaints

from tests.support import verdict
from tests.unit.controller.drawn import policies, rollouts
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, ticking, until
from tests.unit.controller.use_cases.registry import NOW, FakeRegistry
from tests.unit.rollouts.objects import document

GOOD = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "CanaryPolicy",
    "metadata": {"name": "shop", "namespace": "shop", "uid": "good", "resourceVersion": "5", "generation": 1},
    "spec": {
        "match": {"name": "checkout"},
        "mode": "enforce",
        "metrics": [{"name": "errors", "preset": "http-errors"}],
    },
}


class Registry(FakeRegistry):
    """Writes down what it is told, as Redis' does."""

    async def observe(self, event: RolloutObserved, plan: AnalysisPlan, *others: Any, **other: Any) -> None:
        to_entry(seal(event, source="/test", now=1))
        assert plan.canonical
        await super().observe(event, plan, *others, **other)

    async def retire(self, event: RolloutObserved) -> None:
        to_entry(seal(event, source="/test", now=1))
        await super().retire(event)


class Server:
    """Takes conditions and Events; of Rollouts it has `good`, and refuses what is asked of another."""

    def __init__(self, good: FakeRollout) -> None:
        self.good = good

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        return {}

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        if (namespace, name) == ("shop", "checkout"):
            return await self.good.get(namespace, name)
        raise ClusterError("not this one", 500)

    async def patch_status(self, namespace: str, name: str, patch: Any) -> RolloutView | None:
        if (namespace, name) == ("shop", "checkout"):
            return await self.good.patch_status(namespace, name, patch)
        raise ClusterError("not this one", 500)


async def judged_and_acted_on(policy: dict[str, Any], rollout: dict[str, Any], first: bool) -> bool:
    """Holds that the good pair is; gives whether the other is too."""
    good, registry, journal, complaints = FakeRollout(), Registry(), FakeJournal(), Complaints()
    server = Server(good)
    store = PolicyStore(PolicyTelemetry(CollectorRegistry()))
    tracker = RunTracker(registry, "test", PlanResolver(store.current), complaints=complaints)
    actor = Actor(server, journal, lambda: 5, ticking(), IMPATIENT)
    reconciler = RolloutReconciler(
        tracker,
        DecisionExecutor(RunControls(journal), journal, actor, Telemetry(CollectorRegistry()), lambda: 5),
        complaints,
    )
    api: Any = server
    sink = PolicySink(api, store, "", lambda: 5)
    rollout_sink = RolloutSink(tracker, "", complaints)

    def ordered(bad: dict[str, Any], one: dict[str, Any]) -> list[dict[str, Any]]:
        return [bad, one] if first else [one, bad]

    await sink.listed(sink.read(ordered(policy, GOOD)), 1)
    await sink.changed(policy)
    await PodSink(tracker, "", complaints).listed([], 1)
    for asked in (1, 2):
        await rollout_sink.listed(rollout_sink.read(ordered(rollout, document())), asked)
    await rollout_sink.changed(rollout)
    run = tracker.runs["u-1"].run
    assert [one.run for one in registry.observed if one.run.uid == "u-1"][:1] == [run]
    other = tracker.runs.get("bad")
    verdicts = [verdict(run=run, plan=tracker.runs["u-1"].plan.digest, end=NOW - 1000)]
    if other:
        verdicts.insert(0, verdict(run=other.run, plan=other.plan.digest, end=NOW - 1000))
    failed = await each(
        [seal(one, source="/test", now=1) for one in verdicts],
        lambda one: reconciler.on_verdict(one.data, NOW),
        complaints,
    )
    assert run.id not in failed
    await until(lambda: good.weights == [25])
    await SilenceWatch(reconciler).step(NOW)
    reconciler.forget_ended()
    await reconciler.executor.stop()
    await rollout_sink.deleted(rollout)
    await rollout_sink.listed(rollout_sink.read([document()]), 3)
    assert list(tracker.runs) == ["u-1"]
    return other is not None


@settings(max_examples=60)
@given(st.data())
def test_beside_whatever_a_tenant_writes_another_release_is_judged_and_acted_on(data: st.DataObject) -> None:
    namespace = data.draw(st.sampled_from(["tenant", "shop"]))
    policy = data.draw(policies(namespace))
    rollout = data.draw(rollouts(document(), namespace))
    both = asyncio.run(judged_and_acted_on(policy, rollout, first=data.draw(st.booleans())))
    note(f"the other one is judged too: {both}")
