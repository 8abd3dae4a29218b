"""Wires the notifier: reads what is told, writes down what people are to know, and sends it."""

import asyncio
from collections.abc import Sequence
from functools import partial

from redis.exceptions import ResponseError
from serinus_contracts import DecisionTaken, Event, RolloutObserved, UnreadableEntryError, VerdictReached, from_entry
from serinus_contracts.streams import NOTIFIER_GROUP
from serinus_runtime.complaints import Complaints
from serinus_runtime.documents import DocumentError
from serinus_runtime.errors import PermanentError
from serinus_runtime.loops import forever
from serinus_runtime.redis import Client, make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.streams import Entry, GroupReader
from serinus_runtime.streams import Telemetry as StreamTelemetry
from serinus_runtime.witness import watch_memory

from serinus_console.adapters.notify_apprise import Channels
from serinus_console.adapters.notify_file import read
from serinus_console.adapters.notify_outbox import RedisOutbox
from serinus_console.domain.notify import Notifications, causes, dues, ended
from serinus_console.notify_settings import NotifierSettings
from serinus_console.service_layer.notify import Notifier, Telemetry

KINDS: tuple[type[Event], ...] = (DecisionTaken, VerdictReached, RolloutObserved)


async def notify(service: Service, settings: NotifierSettings) -> None:
    """Tell people until the service stops."""
    try:
        config = read(settings.notifications)
    except DocumentError as error:
        raise PermanentError(str(error)) from error
    broker = make_broker(settings)
    client = await broker.connect()
    service.health.require("redis", lambda: unreachable(client))
    lease_ms = round(2000 * settings.send_timeout)
    complaints = Complaints(service.registry, "entry", "notification")
    outbox = RedisOutbox(client, settings.keys, group=NOTIFIER_GROUP, lease_ms=lease_ms, complaints=complaints)
    channels = Channels(config.channels, settings.send_timeout)
    notifier = Notifier(outbox, config, channels.send, Telemetry(service.registry), settings.send_at_once, complaints)
    telemetry = StreamTelemetry(service.registry)
    readers = []
    for kind in KINDS:
        stream = settings.keys.stream(kind.STREAM)
        inbox = Inbox(outbox, config, kind, complaints)
        inbox.reader = GroupReader(
            broker,
            client,
            stream=stream,
            group=NOTIFIER_GROUP,
            dead_letters=settings.keys.dead_letters,
            handler=inbox.take,
            telemetry=telemetry,
        )
        readers.append(inbox.reader)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_memory(service, client, settings.keys))
            keep = partial(forever, health=service.health, stopping=service.stopping)
            for reader in readers:
                name = reader.stream.rpartition(":")[2]
                tasks.create_task(keep(f"tend {name}", partial(tend, client, reader)))
            tasks.create_task(keep("tell", notifier.step))
    finally:
        for reader in readers:
            await reader.stop()
        await broker.stop()


async def tend(client: Client, reader: GroupReader) -> float:
    """The first notifier tells what happens from now on, not what happened last week."""
    try:
        await client.xgroup_create(reader.stream, reader.group, id="$", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    return await reader.tend()


class Inbox:
    """Writes down what the entries of one stream give to tell."""

    def __init__(self, outbox: RedisOutbox, config: Notifications, kind: type[Event], complaints: Complaints) -> None:
        self._outbox, self._config, self._kind, self._complaints = outbox, config, kind, complaints
        self.reader: GroupReader

    async def take(self, entries: Sequence[Entry]) -> None:
        quiet = []
        for entry in entries:
            try:
                envelope = from_entry(self._kind, entry.fields)
            except UnreadableEntryError as error:
                await self.reader.bury(entry, str(error))
                continue
            # One that is left out stays unacknowledged: it is tried again, and in the end a dead letter.
            with self._complaints.about("entry", f"{self._kind.STREAM} {entry.id.decode()}"):
                told = round(envelope.time.timestamp() * 1000)
                found = [due for cause in causes(envelope.data, told) for due in dues(self._config.rules, cause)]
                over = [f"{id_}|{channel}" for id_ in ended(envelope.data) for channel in self._config.channels]
                if found or over:
                    await self._outbox.put(self.reader.stream, entry.id, found, over)
                else:
                    quiet.append(entry.id)
        await self.reader.ack(*quiet)
