import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from serinus_controller.adapters.mirror import WatchEvent
from serinus_controller.adapters.watching import Changes, Watcher
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_runtime.errors import RETRYABLE

pytestmark = pytest.mark.anyio


def change(namespace: str, name: str, version: int) -> WatchEvent:
    metadata: Any = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": str(version)}
    return WatchEvent("changed", {"metadata": metadata})


async def test_of_an_object_that_changes_a_thousand_times_the_newest_is_handled_and_another_namespace_comes_next() -> (
    None
):
    changes = Changes()
    for version in range(1_000):
        for name in ("a", "b", "c"):
            changes.put(change("greedy", name, version))
    changes.put(change("shop", "release", 1_000))
    found = []
    for _ in range(4):
        one = await changes.next()
        assert one is not None
        found.append((one.object["metadata"]["name"], one.object["metadata"]["resourceVersion"]))
    assert found == [("a", "999"), ("release", "1000"), ("b", "999"), ("c", "999")]


async def test_what_is_left_when_the_watch_ends_is_for_the_next_list() -> None:
    changes = Changes()
    changes.put(change("shop", "release", 1))
    changes.end()
    assert await changes.next() is None


class Faulty:
    """A mirror, a sink and a registry of which something fails."""

    def __init__(self, watch: Exception | None, sink: Exception | None) -> None:
        self._watch, self._sink, self.ended = watch, sink, False

    async def now(self) -> int:
        return 0

    async def list(self, read: Any) -> Any:
        return []

    async def watch(self, seconds: float) -> AsyncIterator[WatchEvent]:
        try:
            yield change("shop", "release", 1)
            await asyncio.sleep(0 if self._watch else 60)
            if self._watch:
                raise self._watch
        finally:
            self.ended = True

    def read(self, documents: Any) -> Any:
        return []

    async def listed(self, found: Any, asked: int) -> None: ...

    async def changed(self, document: Any) -> None:
        if self._sink:
            raise self._sink


@pytest.mark.parametrize(
    ("watch", "sink"), [(None, RedisConnectionError("away")), (ClusterError("the watch broke"), None)]
)
async def test_what_fails_while_a_change_is_handled_or_awaited_is_raised_as_it_is_so_that_the_loop_tries_again(
    watch: Exception | None, sink: Exception | None
) -> None:
    faulty: Any = Faulty(watch, sink)
    with pytest.raises(RETRYABLE) as raised:
        await Watcher(faulty, faulty, faulty, 5).step()
    assert raised.value in (watch, sink)
    assert faulty.ended
