"""Status conditions of a resource, as Kubernetes has them: `kubectl get` and `kubectl wait` read these."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from serinus_controller.adapters.mirror import Json


class Condition(NamedTuple):
    """`status` is True or False, as text."""

    type: str
    status: str
    reason: str
    message: str


def said(document: Json) -> list[Mapping[str, Any]]:
    """The conditions that a resource has; what is none is left out."""
    status: Any = document.get("status")
    found = status.get("conditions") if isinstance(status, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def with_conditions(document: Json, wanted: Sequence[Condition], now: str) -> list[Mapping[str, Any]] | None:
    """What a resource has to say, with others' conditions as they are; None if it says so already. `now`: RFC 3339."""
    generation = (document.get("metadata") or {}).get("generation", 1)
    before = {str(one.get("type")): one for one in said(document)}
    after = dict(before)
    for one in wanted:
        known = before.get(one.type, {})
        # The time of the last change of status, not of what is said about it.
        since = known.get("lastTransitionTime") if known.get("status") == one.status else None
        after[one.type] = {**one._asdict(), "observedGeneration": generation, "lastTransitionTime": since or now}
    return None if after == before else list(after.values())
