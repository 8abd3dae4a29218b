"""Attempts and what is told of runs, in memory, and a policy for them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from serinus_contracts import AnalysisPlan, CanaryPolicy, RolloutObserved
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess
from serinus_controller.domain.announce import Notice
from serinus_controller.use_cases.notices import Notices
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt

from tests.unit.rollouts.objects import at

NOW = 1_012_000
POLICY = CanaryPolicy.model_validate(
    {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "CanaryPolicy",
        "metadata": {"name": "shop"},
        "spec": {"match": {"namespace": "shop"}, "metrics": [{"name": "errors", "preset": "http-errors"}]},
    }
)


@dataclass
class FakeRegistry:
    """Attempts and what is told of runs, in memory."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    observed: list[RolloutObserved] = field(default_factory=list)
    plans: dict[str, AnalysisPlan] = field(default_factory=dict)
    retired: list[RolloutObserved] = field(default_factory=list)
    said_constant: list[tuple[str, int]] = field(default_factory=list)

    async def attempt(self, cluster: str, seen: RolloutView, *, another: bool = False) -> Attempt:
        known = self.attempts.get(seen.uid)
        self.attempts[seen.uid] = known.following(seen, another=another) if known else Attempt.first(seen)
        return self.attempts[seen.uid]

    async def now(self) -> int:
        return NOW

    async def constant(self, told: Sequence[RolloutObserved], until: int) -> Collection[str]:
        self.said_constant += [(event.run.uid, until) for event in told]
        return ()

    async def live(self, cluster: str) -> list[RolloutObserved]:
        over = {event.run.id for event in self.retired}
        return list({one.run.id: one for one in self.observed if one.run.id not in over}.values())

    async def observe(self, event: RolloutObserved, plan: AnalysisPlan, *_: Any, **__: Any) -> None:
        self.plans[event.plan] = plan
        self.observed.append(event)

    async def retire(self, event: RolloutObserved) -> None:
        self.retired.append(event)

    async def plan(self, digest: str) -> AnalysisPlan | None:
        return self.plans.get(digest)


class Failing(FakeRegistry):
    """Fails about one Rollout, as a fault of ours would."""

    async def attempt(self, cluster: str, seen: RolloutView, *, another: bool = False) -> Attempt:
        if seen.uid == "bad" and seen.resource_version != "100":
            raise RuntimeError("a bug")
        return await super().attempt(cluster, seen, another=another)


def later(version: int, **changes: object) -> RolloutView:
    return at(**{"metadata": {"resourceVersion": str(version)}, **changes})


def resolving(
    policies: Callable[[], Sequence[CanaryPolicy]],
    announce: Callable[[Notice], None] = lambda notice: None,
    access: ProviderAccess = OPEN,
) -> PlanResolver:
    return PlanResolver(policies, Notices(announce), access)
