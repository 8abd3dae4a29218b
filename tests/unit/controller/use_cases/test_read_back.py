"""A leader that takes over goes on with the plans of its runs where they are what was planned, and otherwise safely."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, CanaryPolicy, VerdictReached
from serinus_contracts.events import Action
from serinus_controller.domain.announce import Notice
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.override import overridden
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.notices import Notices
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.progress import Intent
from serinus_rollouts.reading import view

from tests.support import verdict
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, ticking, until
from tests.unit.controller.use_cases.registry import NOW, POLICY, FakeRegistry
from tests.unit.rollouts.objects import document

pytestmark = pytest.mark.anyio


def policy(name: str = "shop", namespace: str | None = "shop", **spec: Any) -> CanaryPolicy:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    changed = {"metadata": metadata, "spec": POLICY.model_dump(mode="json", exclude_unset=True)["spec"] | spec}
    return CanaryPolicy.model_validate(POLICY.model_dump(mode="json", exclude_unset=True) | changed)


class Registry(FakeRegistry):
    broken = False

    async def plan(self, digest: str) -> AnalysisPlan | None:
        if self.broken:
            raise ValueError("what is kept as this plan is not what was planned")
        return await super().plan(digest)


@dataclass
class Leader:
    """One controller after the other on one registry, each with the policies of its time."""

    policies: Sequence[CanaryPolicy]
    registry: Registry = field(default_factory=Registry)
    journal: FakeJournal = field(default_factory=FakeJournal)
    rollout: FakeRollout = field(default_factory=lambda: FakeRollout(document()))
    told: list[Notice] = field(default_factory=list)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        telemetry = Telemetry(self.metrics)
        resolver = PlanResolver(
            lambda: self.policies, Notices(self.told.append),
            source_of=lambda policy: "shop.yaml", refused=telemetry.plans_refused.inc,
        )  # fmt: skip
        self.tracker = RunTracker(self.registry, "test", resolver)
        self.tracker.pods.replace([], namespace="")
        actor = Actor(self.rollout, self.journal, lambda: NOW, ticking(), IMPATIENT)
        self.reconciler = RolloutReconciler(
            self.tracker, DecisionExecutor(RunControls(self.journal), self.journal, actor, telemetry, lambda: NOW)
        )

    async def leads(self) -> "Leader":
        await self.tracker.restore()
        await self.reconciler.resume()
        await self.looks()
        await self.reconciler.resume("the plan could not be read back")
        return self

    async def looks(self) -> None:
        assert self.rollout.state is not None
        await self.tracker.see_all([view(self.rollout.state)], asked=NOW, namespace="")

    async def followed_by(self, *policies: CanaryPolicy) -> "Leader":
        return await Leader(policies, self.registry, self.journal, self.rollout).leads()

    @property
    def live(self) -> LiveRun:
        return self.tracker.runs["u-1"]

    @property
    def refused(self) -> float:
        return self.metrics.get_sample_value("serinus_plans_refused_total") or 0

    async def hears(self, **said: Any) -> list[tuple[str, str, str]]:
        """What it tells of a verdict by the plan of the run."""
        before = len(self.journal.told)
        about = {
            "plan": self.live.plan.digest,
            "run": self.live.run,
            "stage_started": self.live.last_published.stage_started,
        }
        heard: VerdictReached = verdict(**(about | {"end": NOW - 1000} | said))
        await self.reconciler.on_verdict(heard, NOW)
        await until(lambda: not self.reconciler.executor.acts)
        return [(one.action, one.state, one.detail) for one in self.journal.told[before:]]


async def test_a_plan_is_gone_on_with_whatever_else_of_its_policy_has_changed_and_names_where_it_is_from() -> None:
    first = await Leader([policy(mode="guard")]).leads()
    for changed in (policy(mode="guard"), policy(mode="guard", interval="7s"), policy(mode="enforce")):
        leader = await first.followed_by(changed)
        assert leader.live.plan == first.live.plan
        assert (leader.told, leader.refused, leader.tracker.doubt(leader.live.run)) == ([], 0, "")
    assert (first.live.plan.origin, first.live.plan.source, first.live.plan.override) == ("shop/shop", "shop.yaml", "")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (policy(mode="shadow"), "its mode is enforce, and that of policy shop/shop is shadow now"),
        (policy("shop", namespace=None, mode="enforce"), "it is of policy shop/shop, and another one"),
        (policy("tighter", mode="enforce"), "it is of policy shop/shop, and another one is for its Rollout now"),
    ],
)
async def test_a_plan_of_another_policy_or_that_does_more_is_planned_anew_and_told(now: CanaryPolicy, why: str) -> None:
    first = await Leader([policy(mode="enforce")]).leads()
    leader = await first.followed_by(now)
    plan = leader.live.plan
    assert (plan.policy, plan.mode, leader.refused) == (now.metadata.name, now.spec.mode, 1)
    assert leader.live.run == first.live.run
    assert leader.registry.observed[-1].plan == plan.digest != first.live.plan.digest
    ((text, about),) = [(one.text, one.policies) for one in leader.told]
    assert why in text
    assert text.endswith(f"; planned again by policy {plan.origin}")
    assert about == (now.metadata.name,)
    assert await leader.hears(plan=first.live.plan.digest) == [], "what the old plan led to advances nothing"
    again = await leader.followed_by(now)
    assert (again.live.plan, again.told) == (plan, [])


async def test_what_a_person_has_overridden_stays_so() -> None:
    first = await Leader([policy()]).leads()
    changed = overridden(policy(), {"mode": "enforce"})
    fresh = await first.tracker.override(first.live, changed, "01JCOMMAND")
    leader = await first.followed_by(policy())
    assert leader.live.plan == fresh.plan
    assert (fresh.plan.mode, fresh.plan.override, fresh.plan.source) == ("enforce", "01JCOMMAND", "shop.yaml")
    assert leader.told == []


@pytest.mark.parametrize(
    "now",
    [
        [],
        [policy(mode="enforce"), policy("another", mode="enforce")],
    ],
)
async def test_where_no_policy_can_be_applied_the_run_is_judged_on_and_aborted_but_not_advanced(
    now: list[CanaryPolicy],
) -> None:
    first = await Leader([policy(mode="enforce")]).leads()
    leader = await first.followed_by(*now)
    assert leader.refused == 1
    doubt = leader.tracker.doubt(leader.live.run)
    assert await leader.hears() == [("hold", "confirmed", doubt)]
    assert doubt.startswith("its plan is not gone on with: it is of policy shop/shop, and ")
    leader.policies = [policy(mode="enforce")]
    await leader.looks()
    assert leader.tracker.doubt(leader.live.run) == ""
    assert [(action, state) for action, state, _ in await leader.hears(end=NOW)] == [("advance", "confirmed")]
    another = await Leader([policy(mode="enforce")]).leads()
    without = await another.followed_by()
    heard = await without.hears(verdict="abort", reason="evidence")
    assert [(action, state) for action, state, _ in heard] == [("abort", "confirmed")]


@pytest.mark.parametrize(("action", "ends"), [("advance", ("advance", "failed")), ("abort", ("abort", "confirmed"))])
async def test_a_plan_that_is_not_what_was_planned_is_made_anew_and_what_was_begun_on_it_ends_safely(
    action: Action, ends: tuple[str, str]
) -> None:
    first = await Leader([policy(mode="enforce")]).leads()
    intent = Intent(action=action, step=1, step_hash="s", cause="v", actor="serinus", detail="d", since=1)
    first.journal.controls[first.live.run.id] = ControllerState(intent=intent, dedupe_key=f"{action}:1:")
    first.registry.broken = True
    leader = await first.followed_by(policy(mode="enforce"))
    await until(lambda: not leader.reconciler.executor.acts)
    assert (leader.live.run, leader.live.plan, leader.refused) == (first.live.run, first.live.plan, 1)
    assert leader.journal.actions() == [ends]
    assert leader.journal.controls[first.live.run.id].intent is None
