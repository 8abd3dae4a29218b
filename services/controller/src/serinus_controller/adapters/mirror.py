"""Keeps up with one kind of object: list, watch until the server ends it, list again.

The list is the consistent read on which `weight_constant_until` rests, and it also heals whatever a watch missed;
so a watch is kept short, and an expired one (410, as HTTP status or as an event) only brings the next list forward.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serinus_rollouts.kubernetes.api import PAGE, Api, ClusterError, TooLargeError

Json = Mapping[str, Any]
MAX_PAGE_BYTES = 8 * 1024 * 1024
# Read in a millisecond or two.
READ_TOGETHER = 10


@dataclass(frozen=True)
class Resource:
    """Where a kind lives: its group's path and plural; only objects that `selector` matches."""

    base: str
    plural: str
    selector: str = ""

    def path(self, namespace: str) -> str:
        """The path of the list of a namespace, of all if it is empty."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.base}{scope}/{self.plural}"

    def query(self) -> dict[str, str]:
        """What narrows a list to the objects that are meant."""
        return {"labelSelector": self.selector} if self.selector else {}


@dataclass(frozen=True)
class WatchEvent:
    """What a watch tells of one object; of a deleted one as it stood last."""

    type: Literal["changed", "deleted"]
    object: Json


class Mirror:
    """One kind in one namespace, or in all if it is empty."""

    def __init__(self, api: Api, resource: Resource, namespace: str) -> None:
        self._api, self._resource, self._namespace = api, resource, namespace
        self._version = ""
        self._limit = PAGE

    async def list(self, read: Callable[[Sequence[Json]], Sequence[Any]] = list) -> Sequence[Any]:
        """All objects, as the server knows them now: what `read` makes of them, a few at a time. Raises ClusterError.

        An object may have megabytes, of which hardly anything is needed, so pages are as small as it takes.
        """
        items: list[Any] = []
        self._limit = min(PAGE, 2 * self._limit)
        query = self._resource.query()
        while True:
            query["limit"] = str(self._limit)
            try:
                page = await self._api.request(
                    "GET", self._resource.path(self._namespace), query=query, max_bytes=MAX_PAGE_BYTES
                )
            except TooLargeError:
                if self._limit == 1:
                    raise
                self._limit = max(1, self._limit // 8)
                continue
            metadata = page.get("metadata") or {}
            found = page.get("items") or ()
            for first in range(0, len(found), READ_TOGETHER):
                items.extend(read(found[first : first + READ_TOGETHER]))
                # Acts that are under way go on.
                await asyncio.sleep(0)
            self._version = str(metadata.get("resourceVersion", ""))
            following = metadata.get("continue")
            if not following:
                return items
            query["continue"] = str(following)

    async def watch(self, seconds: int) -> AsyncIterator[WatchEvent]:
        """Changes since the list, until the server ends the watch or says that it is too old. Raises ClusterError."""
        query = {**self._resource.query(), "resourceVersion": self._version}
        try:
            async for event in self._api.lines(self._resource.path(self._namespace), query, seconds):
                kind, document = event.get("type"), event.get("object")
                if kind == "ERROR":
                    return
                if not isinstance(document, dict):
                    raise ClusterError(f"watch of {self._resource.plural}: an event without object")
                if kind in ("ADDED", "MODIFIED"):
                    yield WatchEvent("changed", document)
                elif kind == "DELETED":
                    yield WatchEvent("deleted", document)
        except ClusterError as error:
            if error.status != 410:
                raise
