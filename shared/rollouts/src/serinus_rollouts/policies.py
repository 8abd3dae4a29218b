"""Which policy is for which Rollout, and whether a plan that was read back is still of it."""

from collections.abc import Mapping, Sequence

from serinus_contracts import AnalysisPlan
from serinus_contracts.policy import CanaryPolicy, Mode

from serinus_rollouts.rollout import RolloutView

_POWER: Mapping[Mode, int] = {"shadow": 0, "guard": 1, "enforce": 2}


def choose(policies: Sequence[CanaryPolicy], view: RolloutView) -> list[CanaryPolicy]:
    """The closest policies for a Rollout: by name, else by labels, else by namespace. Several are a conflict."""
    matching = [policy for policy in policies if matches(policy, view)]
    by_name = [policy for policy in matching if policy.spec.match.name is not None]
    by_labels = [policy for policy in matching if policy.spec.match.labels]
    return by_name or by_labels or matching


def matches(policy: CanaryPolicy, view: RolloutView) -> bool:
    """Whether the policy is for the Rollout, be there a closer one or not."""
    match = policy.spec.match
    namespace = match.namespace or policy.metadata.namespace
    return (
        (namespace is None or namespace == view.namespace)
        and (match.name is None or match.name == view.name)
        and all(view.labels.get(key) == value for key, value in match.labels.items())
    )


def is_of(plan: AnalysisPlan, policy: CanaryPolicy) -> bool:
    """Whether a plan was made of the policy, or of what that was then. Older plans know no namespace."""
    same = plan.policy == policy.metadata.name
    return same and (not plan.source or plan.namespace == (policy.metadata.namespace or ""))


def misfit(plan: AnalysisPlan, policies: Sequence[CanaryPolicy]) -> str:
    """Why a plan that was read back is not gone on with, given the closest policies for its Rollout as they are now;
    empty if it is.

    It has to be of that policy, and may let Serinus do less than it, not more, unless a person overrode it. All else is
    as of when the run began.
    """
    if len(policies) != 1:
        return f"it is of policy {plan.origin}, and {len(policies) or 'no'} policies are for its Rollout now"
    (policy,) = policies
    if not is_of(plan, policy):
        return f"it is of policy {plan.origin}, and another one is for its Rollout now"
    if not plan.override and _POWER[plan.mode] > _POWER[policy.spec.mode]:
        return f"its mode is {plan.mode}, and that of policy {plan.origin} is {policy.spec.mode} now"
    return ""
