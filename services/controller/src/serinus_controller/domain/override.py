"""A policy as a command changes it for one run."""

from typing import Any

from pydantic import JsonValue, ValidationError
from serinus_contracts.policy import CanaryPolicy, PolicySpec

Changed = dict[str, JsonValue]


def overridden(policy: CanaryPolicy | None, change: Changed) -> CanaryPolicy:
    """The policy with a JSON merge patch (RFC 7386) of its spec. Raises ValueError saying what does not fit."""
    if policy is None:
        raise ValueError("the run's policy is not there any more, or is not for this Rollout")
    if not change:
        raise ValueError("nothing is overridden: give a change of the policy's spec")
    unknown = [name for name in change if name not in PolicySpec.key_names()]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a key of a policy's spec; known: {', '.join(PolicySpec.key_names())}")
    document = policy.model_dump(mode="json", exclude_unset=True)
    document["spec"] = _merged(document["spec"], change)
    try:
        return CanaryPolicy.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def changed_parts(policy: CanaryPolicy | None, change: Changed) -> Changed:
    """The parts of the policy's spec that a change is about."""
    spec = policy.spec.model_dump(mode="json", exclude_unset=True) if policy else {}
    return {name: spec.get(name) for name in change}
