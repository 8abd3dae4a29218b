"""Reading a stream as one of a group, so that no entry is lost and a bad one blocks nobody.

FastStream reads and hands over batches; what it leaves to its users is added here: the group exists before the
first entry counts (from the start of the stream, not from now), a group that vanished is made again, entries of a
dead consumer are taken over, and what can never be read goes to the dead letters with its error.
"""

import json
import logging
import math
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

from faststream import AckPolicy
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.exceptions import OutOfMemoryError, ResponseError
from serinus_contracts.base import shortened
from serinus_contracts.streams import Keys, Stream

from serinus_runtime import scripts
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.redis import BLOCK_MS, Client

logger = logging.getLogger(__name__)

# A handler is done in seconds: what is pending for longer is a dead consumer's, or failed.
RECLAIM_AFTER_MS = 15_000
# Five minutes of handing over what ends its consumer each time; a failure that passes is over by then.
MAX_DELIVERIES = 20
# Enough to see what went wrong; more would take the room of what is still to be judged.
MAX_DEAD_LETTERS = 10_000


class Entry(NamedTuple):
    """One entry of a stream as Redis has it: its id, and its fields undecoded."""

    id: bytes
    fields: dict[bytes, bytes]


Handler = Callable[[Sequence[Entry]], Awaitable[None]]


def consumer_name() -> str:
    """A name that no other process has, and that tells a person whose it is."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"


async def ensure_group(client: Client, stream: str, group: str) -> None:
    """Create the group, and the stream, unless they exist; it starts with the oldest entry."""
    try:
        groups: Any = await client.xinfo_groups(stream)
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        groups = []
    # A Redis that is full refuses to create a group, also one that it has.
    if all(one["name"] != group.encode() for one in groups):
        try:
            await type(client).xgroup_create(client, stream, group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def dead_letters(registry: CollectorRegistry, *streams: str) -> Counter:
    """Of these streams from the beginning: an alert sees the first one only if it was 0 before."""
    made = Counter("serinus_dead_letters", "entries that can never be read, moved aside", ["stream"], registry=registry)
    for stream in streams:
        made.labels(stream)
    return made


def letter(stream: str, group: str, entry: Entry, error: str) -> dict[str, Any]:
    """What is kept of an entry that can never be read, and a word in the log; `group` is who could not."""
    logger.error("dead letter: %s %s: %s", stream, entry.id.decode(), error)
    fields = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in entry.fields.items()}
    document = json.dumps(fields, ensure_ascii=False)
    return {"stream": stream, "group": group, "id": entry.id, "error": shortened(error), "entry": document}


class Telemetry:
    """Of all readers of a process; `stream` is a stream's name without its tag."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "serinus_stream_lag_entries",
            "entries that the group has not finished, read or not; NaN where Redis does not know",
            ["stream", "group"],
            registry=registry,
        )
        self.dead_letters = dead_letters(registry)


class GroupReader:
    """One consumer of a stream's group. The handler acknowledges, by script or by `ack`; what it leaves
    unacknowledged is handed to some consumer of the group again after `reclaim_after_ms`."""

    def __init__(
        self,
        broker: RedisBroker,
        client: Client,
        keys: Keys,
        name: Stream,
        group: str,
        handler: Handler,
        *,
        batch: int = 100,
        reclaim_after_ms: int = RECLAIM_AFTER_MS,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.stream, self.group, self.consumer = keys.stream(name), group, consumer_name()
        self._telemetry = telemetry or Telemetry(CollectorRegistry())
        self._name = name
        self._telemetry.dead_letters.labels(name)  # an alert sees the first one only if it was 0 before
        self._client, self._dead_letters, self._handler = client, keys.dead_letters, handler
        self._batch, self._reclaim_after_ms = batch, reclaim_after_ms
        self._waits_for: type[Exception] | None = None
        self._dead_letter = scripts.load(client, __package__, "dead_letter")
        self._subscriber: Any = broker.subscriber(
            stream=StreamSub(
                self.stream,
                group=group,
                consumer=self.consumer,
                batch=True,
                max_records=batch,
                polling_interval=BLOCK_MS,
                declare=False,
            ),
            ack_policy=AckPolicy.MANUAL,
            parser=_as_it_is,
            decoder=_entries,
        )
        self._subscriber(self._handle)

    async def _handle(self, entries: Sequence[Entry]) -> None:
        """What fails stays unacknowledged, and is handed over again after a while."""
        try:
            await self._handler(entries)
        except RETRYABLE as error:
            if type(error) is not self._waits_for:
                logger.warning(
                    "deferring entries of %s for redelivery: %s: %s", self.stream, type(error).__name__, error
                )
            self._waits_for = type(error)
        except Exception:
            logger.exception("deferring %d entries of %s for redelivery", len(entries), self.stream)
        else:
            if self._waits_for:
                logger.info("handling entries of %s again", self.stream)
            self._waits_for = None

    async def start(self) -> None:
        """Make the group where there is none, and begin to read."""
        await ensure_group(self._client, self.stream, self.group)
        # FastStream creates it once more, which a full Redis refuses although it is there.
        self._subscriber._client.xgroup_create = _known
        await self._subscriber.start()

    async def stop(self) -> None:
        """Stop reading and wait for the handler."""
        await self._subscriber.stop()

    async def reclaim_stale(self) -> float:
        """Claim what dead consumers left, and start reading where it had stopped. A step for `forever`: gives the
        seconds to the next call."""
        if not self._subscriber.running:
            await self.start()
            logger.info("reading %s", self.stream)
        await ensure_group(self._client, self.stream, self.group)
        self._telemetry.lag.labels(self._name, self.group).set(await self._lag())
        stale: Any = await self._client.xpending_range(
            self.stream, self.group, min="-", max="+", count=self._batch, idle=self._reclaim_after_ms
        )
        if not stale:
            return self._reclaim_after_ms / 3000
        claimed: Any = await self._client.xclaim(
            self.stream, self.group, self.consumer, self._reclaim_after_ms, [item["message_id"] for item in stale]
        )
        deliveries = {item["message_id"]: item["times_delivered"] for item in stale}
        entries = [Entry(id_, fields) for id_, fields in claimed if fields]
        for entry in [entry for entry in entries if deliveries[entry.id] >= MAX_DELIVERIES]:
            entries.remove(entry)
            await self.dead_letter(entry, f"delivered {deliveries[entry.id]} times and never finished")
        if entries:
            await self._hand_over(entries)
        return 0.0 if len(stale) == self._batch else self._reclaim_after_ms / 3000

    async def _hand_over(self, entries: Sequence[Entry]) -> None:
        """A delivery that comes to nothing since Redis is full is not counted: it says nothing against the entries."""
        try:
            await self._handler(entries)
        except OutOfMemoryError:
            with suppress(*RETRYABLE):
                await self._client.xclaim(
                    self.stream,
                    self.group,
                    self.consumer,
                    0,
                    [entry.id for entry in entries],
                    retrycount=1,
                    justid=True,
                )
            raise

    async def _lag(self) -> float:
        groups: Any = await self._client.xinfo_groups(self.stream)
        ours = next((one for one in groups if one["name"] == self.group.encode()), None)
        # Redis gives no lag where entries were deleted, and before version 7.
        unread = ours.get("lag") if ours else None
        return math.nan if ours is None or unread is None else ours["pending"] + unread

    async def oldest_pending(self) -> bytes | None:
        """The oldest entry that no consumer of the group has finished, None if there is none."""
        summary: Any = await self._client.xpending(self.stream, self.group)
        oldest: bytes | None = summary["min"]
        return oldest

    async def lost(self, ids: Sequence[bytes]) -> list[bytes]:
        """Those of the entries that are not in the stream any more."""
        async with self._client.pipeline(transaction=False) as pipe:
            for id_ in ids:
                pipe.xrange(self.stream, id_, id_)
            found: list[Any] = await pipe.execute()
        return [id_ for id_, entries in zip(ids, found, strict=True) if not entries]

    async def ack(self, *ids: bytes) -> None:
        """Tell the group that these entries are finished."""
        if ids:
            await self._client.xack(self.stream, self.group, *ids)

    async def dead_letter(self, entry: Entry, error: str) -> None:
        """Move an entry that can never be read to the dead letters: both or neither."""
        self._telemetry.dead_letters.labels(self._name).inc()
        fields = letter(self.stream, self.group, entry, error)
        await self._dead_letter(
            keys=[self.stream, self._dead_letters],
            args=[self.group, entry.id, MAX_DEAD_LETTERS, *(part for pair in fields.items() for part in pair)],
        )


async def _known(**_: Any) -> None:
    raise ResponseError("BUSYGROUP Consumer Group name already exists")


async def _as_it_is(message: Any) -> RedisStreamMessage:
    """FastStream's parser would fail a whole batch for one garbled entry; ours opens none."""
    return RedisStreamMessage(raw_message=message, body=b"", consumer=None, group=None)  # type: ignore[arg-type]


async def _entries(message: RedisStreamMessage) -> list[Entry]:
    raw: Any = message.raw_message
    return [Entry(id_, fields) for id_, fields in zip(raw["message_ids"], raw["data"], strict=True)]
