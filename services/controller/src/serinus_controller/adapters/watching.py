"""Brings what the cluster says into the fleet: one watcher per kind and namespace."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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


def _read(documents: Iterable[Json], parse: Any) -> Iterator[Any]:
    """What can be read; an object of unknown form is named in the log and left out."""
    for document in documents:
        try:
            yield parse(document)
        except ValueError as error:
            logger.warning("left out: %s", error)


async def _read_all(documents: Sequence[Json], parse: Any) -> list[Any]:
    """As `_read`, a page at a time: acts that are under way do not wait for a thousand objects."""
    found: list[Any] = []
    for first in range(0, len(documents), PAGE):
        found += _read(documents[first : first + PAGE], parse)
        await asyncio.sleep(0)
    return found


@dataclass(frozen=True)
class RolloutSink:
    fleet: Fleet
    namespace: str

    async def listed(self, documents: Sequence[Json], asked: int) -> None:
        views: list[RolloutView] = await _read_all(documents, view)
        await self.fleet.see_all(views, asked=asked, namespace=self.namespace)

    async def changed(self, document: Json) -> None:
        for seen in _read([document], view):
            await self.fleet.see(seen)

    async def deleted(self, document: Json) -> None:
        for seen in _read([document], view):
            await self.fleet.gone(seen)


@dataclass(frozen=True)
class PodSink:
    fleet: Fleet
    namespace: str

    async def listed(self, documents: Sequence[Json], asked: int) -> None:
        pods: list[PodView] = await _read_all(documents, pod_view)
        self.fleet.pods_are(pods, namespace=self.namespace)

    async def changed(self, document: Json) -> None:
        for pod in _read([document], pod_view):
            self.fleet.pod_is(pod)

    async def deleted(self, document: Json) -> None:
        for pod in _read([document], pod_view):
            self.fleet.pod_gone(pod)
