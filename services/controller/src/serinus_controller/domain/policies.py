"""Which policy is for which Rollout."""

from collections.abc import Sequence

from serinus_contracts.policy import CanaryPolicy

from serinus_controller.domain.rollout import RolloutView


def choose(policies: Sequence[CanaryPolicy], view: RolloutView) -> list[CanaryPolicy]:
    """The policies for a Rollout: one that names it goes before those that match by labels. Several are a conflict."""
    matching = [policy for policy in policies if _matches(policy, view)]
    named = [policy for policy in matching if policy.spec.match.name is not None]
    return named or matching


def _matches(policy: CanaryPolicy, view: RolloutView) -> bool:
    match = policy.spec.match
    namespace = match.namespace or policy.metadata.namespace
    return (
        (namespace is None or namespace == view.namespace)
        and (match.name is None or match.name == view.name)
        and all(view.labels.get(key) == value for key, value in match.labels.items())
    )
