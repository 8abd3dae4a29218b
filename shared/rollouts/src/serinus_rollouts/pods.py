"""A pod as far as Serinus cares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serinus_contracts.base import Millis

from serinus_rollouts.reading import MAX_NAME_LENGTH
from serinus_rollouts.rollout import parse_time

HASH_LABEL = "rollouts-pod-template-hash"
# Told of a pod; whoever deploys can give one thousands of containers, whose images have any length.
MAX_IMAGES = 20
MAX_IMAGE_LENGTH = 255


@dataclass(frozen=True, slots=True)
class PodView:
    """`owner` is the name of its ReplicaSet, which Argo makes of Rollout and hash."""

    namespace: str
    name: str
    owner: str
    started: Millis | None
    ready: bool
    restarts: int
    version: int
    images: tuple[str, ...] = ()


def pod_view(document: Mapping[str, Any]) -> PodView:
    """The view of a Pod object. Raises ValueError if it lacks what every stored object has."""
    metadata = document.get("metadata") or {}
    status = document.get("status") or {}
    try:
        namespace, name, version = metadata["namespace"], metadata["name"], metadata["resourceVersion"]
        owners = [owner["name"] for owner in metadata.get("ownerReferences") or () if owner.get("kind") == "ReplicaSet"]
        containers = status.get("containerStatuses") or ()
        conditions = {one.get("type"): one.get("status") for one in status.get("conditions") or ()}
        restarts = sum(int(container.get("restartCount", 0)) for container in containers)
        asked = (document.get("spec") or {}).get("containers") or ()
        images = [str(one.get("image") or "")[:MAX_IMAGE_LENGTH] for one in asked[:MAX_IMAGES]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a Pod of unknown form: {type(error).__name__}: {error}") from None
    return PodView(
        namespace=str(namespace),
        name=str(name),
        owner=str(owners[0])[:MAX_NAME_LENGTH] if owners else "",
        started=parse_time(str(status.get("startTime") or "")) or None,
        ready=conditions.get("Ready") == "True" and "deletionTimestamp" not in metadata,
        restarts=restarts,
        version=int(version) if str(version).isdigit() else 0,
        images=tuple(images),
    )
