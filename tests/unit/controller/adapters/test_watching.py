from typing import Any

import pytest
from serinus_controller.adapters.mirror import Change
from serinus_controller.adapters.watching import Changes

pytestmark = pytest.mark.anyio


def change(namespace: str, name: str, version: int) -> Change:
    metadata: Any = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": str(version)}
    return Change("changed", {"metadata": metadata})


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
