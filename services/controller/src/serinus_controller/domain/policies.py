"""Which policy is for which Rollout."""

from collections.abc import Sequence

from serinus_contracts.policy import CanaryPolicy

from serinus_controller.domain.rollout import RolloutView


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
