from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from serinus_simulator.clock import Agenda
from serinus_simulator.kubernetes.failures import ApiError, expired
from serinus_simulator.kubernetes.kinds import PODS
from serinus_simulator.kubernetes.objects import ObjectStore
from serinus_simulator.kubernetes.selectors import label_selector
from serinus_simulator.kubernetes.watch import Watch

from tests.unit.simulator.clocks import ManualClock


class Watched:
    def __init__(self, selector: str = "", **options: Any) -> None:
        self.clock = ManualClock()
        self.agenda = Agenda(self.clock)
        self.store = ObjectStore(lambda: self.agenda.now, history=5)
        self.options = {"bookmarks": False, "seconds": 3600.0, "bookmark_interval": 60.0} | options
        self.match = label_selector(selector)

    def open(self, revision: str | None, **initial: Any) -> Watch:
        watch = Watch(self.store, self.agenda, PODS, "shop", self.match, **self.options)
        watch.start(revision, **({"initial_events": False, "end_bookmark": False} | initial))
        return watch

    def put(self, name: str, namespace: str = "shop", **labels: str) -> None:
        metadata = {"name": name, "labels": labels}
        if self.store.peek(PODS, namespace, name) is None:
            self.store.create(PODS, namespace, {"metadata": metadata})
        else:
            self.store.modify(PODS, namespace, name, lambda old: old | {"metadata": metadata})

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.agenda.catch_up()


def lines(watch: Watch) -> list[tuple[str, str]]:
    """Type and name, or the revision of a bookmark, of all lines until now; ends the watch."""

    async def collect() -> list[bytes]:
        watch.close()
        return [line async for line in watch.stream()]

    found = [json.loads(line) for line in asyncio.run(collect())]
    return [(one["type"], one["object"]["metadata"].get("name", "")) for one in found]


def test_changes_come_as_they_happen_and_other_namespaces_not_at_all() -> None:
    watched = Watched()
    watch = watched.open(str(watched.store.revision))
    watched.put("a")
    watched.put("b", namespace="elsewhere")
    watched.put("a", app="x")
    watched.store.delete(PODS, "shop", "a")
    assert lines(watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_what_enters_a_selector_is_added_and_what_leaves_it_deleted() -> None:
    watched = Watched("app=x")
    watch = watched.open(str(watched.store.revision))
    watched.put("a", app="y")
    watched.put("a", app="x")
    watched.put("a", app="x", more="z")
    watched.put("a", app="y")
    watched.store.delete(PODS, "shop", "a")
    assert lines(watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


@pytest.mark.parametrize("revision", [None, "", "0"])
def test_without_a_revision_the_present_comes_first(revision: str | None) -> None:
    watched = Watched()
    watched.put("a")
    watch = watched.open(revision)
    watched.put("b")
    assert lines(watch) == [("ADDED", "a"), ("ADDED", "b")]


def test_from_a_known_revision_nothing_is_left_out_or_doubled() -> None:
    watched = Watched()
    watched.put("a")
    since = str(watched.store.revision)
    watched.put("b")
    watch = watched.open(since)
    watched.put("c")
    assert lines(watch) == [("ADDED", "b"), ("ADDED", "c")]


def test_from_a_forgotten_revision_it_ends_with_an_error() -> None:
    watched = Watched()
    since = str(watched.store.revision)
    for name in "abcdef":
        watched.put(name)
    assert [kind for kind, _ in lines(watched.open(since))] == ["ERROR"]


def test_a_revision_that_is_no_number_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        Watched().open("abc")
    assert refused.value.code == 500


def test_bookmarks_come_only_after_something_moved_and_shortly_before_the_end() -> None:
    watched = Watched(bookmarks=True, seconds=6.0)
    silent = watched.open(str(watched.store.revision))
    watched.advance(10)
    assert lines(silent) == []
    moved = watched.open(str(watched.store.revision))
    watched.put("a")
    watched.advance(4.4)
    before = len(moved._lines)
    watched.advance(0.2)
    assert (before, len(moved._lines)) == (1, 2)
    assert [kind for kind, _ in lines(moved)] == ["ADDED", "BOOKMARK"]


def test_a_long_watch_has_a_bookmark_in_each_interval_in_which_something_moved() -> None:
    watched = Watched(bookmarks=True, bookmark_interval=10.0)
    watch = watched.open(str(watched.store.revision))
    watched.put("a")
    watched.advance(35)
    watched.put("b")
    watched.advance(10)
    assert [kind for kind, _ in lines(watch)] == ["ADDED", "BOOKMARK", "ADDED", "BOOKMARK"]


def test_after_its_time_a_watch_has_ended_and_takes_nothing_more() -> None:
    watched = Watched(seconds=5.0)
    watch = watched.open(str(watched.store.revision))
    watched.advance(6)
    watched.put("a")

    async def collect() -> list[bytes]:
        return [line async for line in watch.stream()]

    assert asyncio.run(asyncio.wait_for(collect(), 30)) == []


def test_a_watch_that_fails_says_so_and_tells_who_holds_it() -> None:
    watched, ended = Watched(), list[bool]()
    watch = watched.open(str(watched.store.revision))
    watch.on_close(lambda: ended.append(True))
    watch.fail(expired(9, 1))
    assert [kind for kind, _ in lines(watch)] == ["ERROR"]
    assert ended
