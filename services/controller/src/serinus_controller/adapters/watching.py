"""Brings what the cluster says into the fleet: one watcher per kind and namespace."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from serinus_runtime.complaints import Complaints

from serinus_controller.adapters.kubernetes import PAGE
from serinus_controller.adapters.mirror import Json, Mirror
from serinus_controller.domain.pods import PodView, pod_view
from serinus_controller.domain.rollout import RolloutView, view
from serinus_controller.service_layer.fleet import Fleet
from serinus_controller.service_layer.ports import ClusterError, Registry

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What becomes of the objects of one kind."""

    async def listed(self, documents: Sequence[Json], asked: int) -> None: ...

    async def changed(self, document: Json) -> None: ...

    async def deleted(self, document: Json) -> None: ...


@dataclass
class Watcher:
    """Lists, then watches for `poll` seconds, again and again. `synced` is set after the first list.

    What is `optional` may be missing (404) or forbidden (403), and is then asked for once a minute.
    """

    mirror: Mirror
    sink: Sink
    registry: Registry
    poll: int
    optional: bool = False
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self) -> float:
        asked = await self.registry.now()
        try:
            documents = await self.mirror.list()
        except ClusterError as error:
            if not self.optional or error.status not in (403, 404):
                raise
            if not self.synced.is_set():
                logger.info("goes on without: %s", error)
            self.synced.set()
            return 60.0
        await self.sink.listed(documents, asked)
        self.synced.set()
        async for change in self.mirror.watch(self.poll):
            if change.type == "deleted":
                await self.sink.deleted(change.object)
            else:
                await self.sink.changed(change.object)
        return 0.0


class _Reader:
    """Parses objects of one kind; one of unknown form is complained of and left out."""

    def __init__(self, kind: str, parse: Callable[[Json], Any], complaints: Complaints) -> None:
        self._kind, self._parse, self._complaints = kind, parse, complaints

    def read(self, documents: Iterable[Json]) -> list[Any]:
        found = []
        for document in documents:
            metadata: Any = document.get("metadata") or {}
            with self._complaints.about(self._kind, f"{metadata.get('namespace')}/{metadata.get('name')}"):
                found.append(self._parse(document))
        return found

    async def read_all(self, documents: Sequence[Json]) -> list[Any]:
        """A page at a time: acts that are under way do not wait for a thousand objects."""
        found: list[Any] = []
        for first in range(0, len(documents), PAGE):
            found += self.read(documents[first : first + PAGE])
            await asyncio.sleep(0)
        return found


class RolloutSink:
    def __init__(self, fleet: Fleet, namespace: str, complaints: Complaints) -> None:
        self._fleet, self._namespace = fleet, namespace
        self._reader = _Reader("rollout", view, complaints)

    async def listed(self, documents: Sequence[Json], asked: int) -> None:
        views: list[RolloutView] = await self._reader.read_all(documents)
        unread = {uid for document in documents if (uid := _uid(document))} - {one.uid for one in views}
        await self._fleet.see_all(views, asked=asked, namespace=self._namespace, unread=unread)

    async def changed(self, document: Json) -> None:
        for seen in self._reader.read([document]):
            await self._fleet.see(seen)

    async def deleted(self, document: Json) -> None:
        for seen in self._reader.read([document]):
            await self._fleet.gone(seen)


def _uid(document: Json) -> str:
    metadata: Any = document.get("metadata") or {}
    return str(metadata.get("uid") or "")


class PodSink:
    def __init__(self, fleet: Fleet, namespace: str, complaints: Complaints) -> None:
        self._fleet, self._namespace = fleet, namespace
        self._reader = _Reader("pod", pod_view, complaints)

    async def listed(self, documents: Sequence[Json], asked: int) -> None:
        pods: list[PodView] = await self._reader.read_all(documents)
        self._fleet.pods_are(pods, namespace=self._namespace)

    async def changed(self, document: Json) -> None:
        for pod in self._reader.read([document]):
            self._fleet.pod_is(pod)

    async def deleted(self, document: Json) -> None:
        for pod in self._reader.read([document]):
            self._fleet.pod_gone(pod)
