"""Reading a stream as one of a group, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from faststream.redis import RedisBroker
from prometheus_client import CollectorRegistry
from serinus_contracts import Keys
from serinus_runtime.redis import make_broker
from serinus_runtime.settings import Settings
from serinus_runtime.streams import MAX_DELIVERIES, Entry, GroupReader, Telemetry, ensure_group

pytestmark = pytest.mark.anyio


@pytest.fixture
async def broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    made = make_broker(Settings(redis_url=redis_url))
    await made.connect()
    yield made
    await made.stop()


class Inbox:
    """A handler that keeps what it is given, and acknowledges it unless told otherwise."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.reader: GroupReader | None = None
        self.acknowledges = True

    async def __call__(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        if self.acknowledges and self.reader:
            await self.reader.ack(*(entry.id for entry in entries))

    def values(self) -> list[bytes]:
        return [entry.fields[b"n"] for entry in self.entries]


async def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    """Wait for a state, with a limit."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:g} s in vain for {what}") from None


async def reclaimed_until(one: GroupReader, condition: Callable[[], Any]) -> None:
    """Reclaim again and again: an entry has to have waited for long enough by Redis' clock."""
    async with asyncio.timeout(60):
        while True:
            await one.reclaim_stale()
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


def reader(broker: RedisBroker, client: Any, keys: Keys, inbox: Inbox, **options: Any) -> GroupReader:
    made = GroupReader(
        broker,
        client,
        keys,
        "verdicts",
        "readers",
        inbox,
        **options,
    )
    inbox.reader = made
    return made


async def test_entries_from_before_the_group_existed_are_read_too(broker: RedisBroker, client: Any, keys: Keys) -> None:
    await client.xadd(keys.stream("verdicts"), {"n": 1})
    inbox = Inbox()
    one = reader(broker, client, keys, inbox)
    await one.start()
    await client.xadd(keys.stream("verdicts"), {"n": 2})
    await until(lambda: inbox.values() == [b"1", b"2"], "both entries")
    await one.stop()
    assert await one.oldest_pending() is None


async def test_an_entry_that_a_handler_left_is_handed_over_again(broker: RedisBroker, client: Any, keys: Keys) -> None:
    inbox = Inbox()
    inbox.acknowledges = False
    one = reader(broker, client, keys, inbox, reclaim_after_ms=50)
    await one.start()
    await client.xadd(keys.stream("verdicts"), {"n": 1})
    await until(lambda: inbox.values() == [b"1"], "the first delivery")
    assert await one.oldest_pending() == inbox.entries[0].id
    inbox.acknowledges = True
    await reclaimed_until(one, lambda: inbox.values() == [b"1", b"1"])
    assert await one.oldest_pending() is None
    await one.stop()


async def test_a_group_that_vanished_is_made_anew_and_reading_goes_on(
    broker: RedisBroker, client: Any, keys: Keys
) -> None:
    inbox = Inbox()
    one = reader(broker, client, keys, inbox)
    await one.start()
    await client.delete(keys.stream("verdicts"))
    await client.xadd(keys.stream("verdicts"), {"n": 1})
    await reclaimed_until(one, lambda: inbox.values() == [b"1"])
    await one.stop()


async def test_a_reader_can_stop_and_start_again(broker: RedisBroker, client: Any, keys: Keys) -> None:
    inbox = Inbox()
    one = reader(broker, client, keys, inbox)
    for number in (1, 2):
        await one.start()
        await client.xadd(keys.stream("verdicts"), {"n": number})
        await until(lambda: len(inbox.entries) == number, f"entry {number}")  # noqa: B023 - waited for at once
        await one.stop()
    assert inbox.values() == [b"1", b"2"]


async def test_a_dead_letter_keeps_the_entry_its_origin_and_the_error(
    broker: RedisBroker, client: Any, keys: Keys
) -> None:
    stream = keys.stream("verdicts")
    one = reader(broker, client, keys, Inbox())
    await ensure_group(client, stream, "readers")
    await client.xadd(stream, {"n": b"\xff"})
    ((_, entries),) = await client.xreadgroup("readers", "c", {stream: ">"})
    await one.dead_letter(Entry(*entries[0]), "no event")
    ((_, letter),) = await client.xrange(keys.dead_letters)
    assert letter[b"error"] == b"no event"
    assert letter[b"stream"] == stream.encode()
    assert letter[b"id"] == entries[0][0]
    assert letter[b"entry"].decode() == '{"n": "\ufffd"}'
    assert (await client.xpending(stream, "readers"))["pending"] == 0


async def test_an_entry_that_kills_its_readers_again_and_again_is_buried(
    broker: RedisBroker, client: Any, keys: Keys
) -> None:
    stream = keys.stream("verdicts")
    inbox = Inbox()
    one = reader(broker, client, keys, inbox, reclaim_after_ms=1)
    await ensure_group(client, stream, "readers")
    await client.xadd(stream, {"n": 1})
    await client.xreadgroup("readers", "dead", {stream: ">"})
    for _ in range(MAX_DELIVERIES):
        (item,) = await client.xpending_range(stream, "readers", min="-", max="+", count=1)
        await client.xclaim(stream, "readers", "dead", 0, [item["message_id"]])
    one._subscriber.running = True
    letters: list[Any] = []

    async def dead() -> bool:
        letters[:] = await client.xrange(keys.dead_letters)
        return bool(letters)

    await reclaimed_until(one, dead)
    ((_, letter),) = letters
    assert b"delivered 21 times and never finished" in letter[b"error"]
    assert inbox.entries == []


async def test_an_entry_is_buried_once_and_not_at_all_when_somebody_finished_it(
    broker: RedisBroker, client: Any, keys: Keys
) -> None:
    stream = keys.stream("verdicts")
    one = reader(broker, client, keys, Inbox())
    await ensure_group(client, stream, "readers")
    ids = [await client.xadd(stream, {"n": number}) for number in (1, 2)]
    await client.xreadgroup("readers", "c", {stream: ">"})
    await one.ack(ids[1])
    for id_ in (ids[0], *ids):
        await one.dead_letter(Entry(id_, {}), "no event")
    assert await client.xlen(keys.dead_letters) == 1
    await client.xdel(stream, ids[0])
    assert await one.lost(ids) == [ids[0]]


async def test_a_reader_tells_how_much_its_group_has_before_it_and_what_it_buried(
    broker: RedisBroker, client: Any, keys: Keys
) -> None:
    stream, metrics = keys.stream("verdicts"), CollectorRegistry()
    one = reader(broker, client, keys, Inbox(), telemetry=Telemetry(metrics))
    buried = {"stream": "verdicts"}
    assert metrics.get_sample_value("serinus_dead_letters_total", buried) == 0
    await ensure_group(client, stream, "readers")
    for number in range(5):
        await client.xadd(stream, {"n": number})
    ((_, entries),) = await client.xreadgroup("readers", "other", {stream: ">"}, count=2)
    one._subscriber.running = True
    await one.reclaim_stale()
    lag = {"stream": "verdicts", "group": "readers"}
    assert metrics.get_sample_value("serinus_stream_lag_entries", lag) == 5
    await one.dead_letter(Entry(*entries[0]), "no event")
    await one.ack(entries[1][0])
    await one.reclaim_stale()
    assert metrics.get_sample_value("serinus_stream_lag_entries", lag) == 3
    assert metrics.get_sample_value("serinus_dead_letters_total", buried) == 1
