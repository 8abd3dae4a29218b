"""Brings what the cluster says to the tracker of runs: one watcher per kind and namespace."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.pods import PodView, pod_view
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView
from serinus_runtime.complaints import Complaints

from serinus_controller.adapters.mirror import Json, Mirror, WatchEvent
from serinus_controller.use_cases.ports import Registry
from serinus_controller.use_cases.run_tracker import RunTracker

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What becomes of the objects of one kind."""

    def read(self, documents: Sequence[Json]) -> Sequence[Any]:
        """What is needed of a page of objects."""
        ...

    async def listed(self, found: Sequence[Any], asked: int) -> None:
        """All that was read of the objects that there are."""
        ...

    async def changed(self, document: Json) -> None:
        """An object was made or changed."""
        ...

    async def deleted(self, document: Json) -> None:
        """An object is gone."""
        ...


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
        """A step for `forever`: one list, and the watch after it."""
        asked = await self.registry.now()
        try:
            found = await self.mirror.list(self.sink.read)
        except ClusterError as error:
            if not self.optional or error.status not in (403, 404):
                raise
            if not self.synced.is_set():
                logger.info("optional resource unavailable, continuing: %s", error)
            self.synced.set()
            return 60.0
        await self.sink.listed(found, asked)
        self.synced.set()
        changes = Changes()
        # No TaskGroup: it would wrap what may be retried, and end the term of a leader for it.
        watching = asyncio.create_task(self._watch(changes))
        try:
            # What is left when the watch has ended, the next list shows.
            while change := await changes.next():
                if change.type == "deleted":
                    await self.sink.deleted(change.object)
                else:
                    await self.sink.changed(change.object)
            await watching
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return 0.0

    async def _watch(self, changes: "Changes") -> None:
        try:
            async for change in self.mirror.watch(self.poll):
                changes.put(change)
        finally:
            changes.end()


class Changes:
    """Changes that wait to be handled: of each object the newest alone, and of namespaces in turn. What one changes
    many times a second holds up nothing of another."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[str, WatchEvent]] = OrderedDict()
        self._some, self._ended = asyncio.Event(), False

    def put(self, change: WatchEvent) -> None:
        """One more change; of the same object only the newest waits."""
        metadata: Any = change.object.get("metadata") or {}
        waiting = self._waiting.setdefault(str(metadata.get("namespace")), OrderedDict())
        # One that is made again under its name is another.
        waiting[f"{metadata.get('name')} {metadata.get('uid')}"] = change
        self._some.set()

    def end(self) -> None:
        """There will be no more; those that wait are dropped."""
        self._ended = True
        self._some.set()

    async def next(self) -> WatchEvent | None:
        """The next one; None when there will be no more."""
        await self._some.wait()
        if self._ended or not self._waiting:
            return None
        namespace, waiting = self._waiting.popitem(last=False)
        _, change = waiting.popitem(last=False)
        if waiting:
            self._waiting[namespace] = waiting
        elif not self._waiting:
            self._some.clear()
        return change


class _Reader:
    """Parses objects of one kind; one of unknown form is complained of and left out."""

    def __init__(
        self,
        kind: str,
        parse: Callable[[Json], Any],
        complaints: Complaints,
        tell: Callable[..., None] | None = None,
    ) -> None:
        self._kind, self._parse, self._complaints, self._tell = kind, parse, complaints, tell

    def read(self, documents: Iterable[Json]) -> list[Any]:
        found = []
        for document in documents:
            metadata: Any = document.get("metadata") or {}
            with self._complaints.about(self._kind, f"{metadata.get('namespace')}/{metadata.get('name')}") as outcome:
                found.append(self._parse(document))
            if outcome.problem and self._tell:
                self._tell(*(str(metadata.get(one) or "") for one in ("namespace", "name", "uid")), outcome.problem)
        return found


@dataclass(frozen=True)
class Unread:
    """A Rollout that is there and cannot be read."""

    uid: str


class RolloutSink:
    """Tells the tracker of the Rollouts of a namespace, of all if it is empty."""

    def __init__(self, tracker: RunTracker, namespace: str, complaints: Complaints) -> None:
        self._tracker, self._namespace = tracker, namespace
        self._reader = _Reader("rollout", view, complaints, tracker.unreadable)

    def read(self, documents: Sequence[Json]) -> Sequence[RolloutView | Unread]:
        """Views of the Rollouts, and the uids of those that cannot be read."""
        views: list[RolloutView] = self._reader.read(documents)
        unread = {uid for document in documents if (uid := _uid(document))} - {one.uid for one in views}
        return [*views, *map(Unread, unread)]

    async def listed(self, found: Sequence[RolloutView | Unread], asked: int) -> None:
        """Take a full list that was asked for at `asked` (ms)."""
        unread = {one.uid for one in found if isinstance(one, Unread)}
        views = [one for one in found if isinstance(one, RolloutView)]
        await self._tracker.see_all(views, asked=asked, namespace=self._namespace, unread=unread)

    async def changed(self, document: Json) -> None:
        """A Rollout was made or changed."""
        for seen in self._reader.read([document]):
            await self._tracker.see(seen)

    async def deleted(self, document: Json) -> None:
        """A Rollout is gone."""
        for seen in self._reader.read([document]):
            await self._tracker.gone(seen)


def _uid(document: Json) -> str:
    metadata: Any = document.get("metadata") or {}
    return str(metadata.get("uid") or "")


class PodSink:
    """Tells the tracker of the pods of a namespace, of all if it is empty."""

    def __init__(self, tracker: RunTracker, namespace: str, complaints: Complaints) -> None:
        self._tracker, self._namespace = tracker, namespace
        self._reader = _Reader("pod", pod_view, complaints)

    def read(self, documents: Sequence[Json]) -> Sequence[PodView]:
        """Views of the pods that can be read."""
        return self._reader.read(documents)

    async def listed(self, found: Sequence[PodView], asked: int) -> None:
        """Take a full list."""
        self._tracker.pods.replace(found, namespace=self._namespace)

    async def changed(self, document: Json) -> None:
        """A pod was made or changed."""
        for pod in self._reader.read([document]):
            self._tracker.pods.put(pod)

    async def deleted(self, document: Json) -> None:
        """A pod is gone."""
        for pod in self._reader.read([document]):
            self._tracker.pods.remove(pod)
