"""Wires the notifier: reads what is told, writes down what people are to know, and sends it."""

import asyncio
from functools import partial

from serinus_runtime.complaints import Complaints
from serinus_runtime.documents import DocumentError
from serinus_runtime.errors import PermanentError
from serinus_runtime.loops import forever
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.streams import dead_letters
from serinus_runtime.witness import watch_memory

from serinus_notifier.adapters.channels import Channels
from serinus_notifier.adapters.config_file import read
from serinus_notifier.adapters.outbox import RedisOutbox
from serinus_notifier.settings import NotifierSettings
from serinus_notifier.use_cases.inbox import KINDS, Inbox
from serinus_notifier.use_cases.notify import Notifier, Telemetry


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
    outbox = RedisOutbox(client, settings.keys, lease_ms=lease_ms, complaints=complaints)
    channels = Channels(config.channels, settings.send_timeout)
    notifier = Notifier(outbox, config, channels.send, Telemetry(service.registry), complaints)
    inbox = Inbox(outbox, config, complaints, dead_letters(service.registry, *KINDS))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_memory(service, client, settings.keys))
            keep = partial(forever, health=service.health, stopping=service.stopping)
            tasks.create_task(keep("read", inbox.step))
            tasks.create_task(keep("tell", notifier.step))
    finally:
        await broker.stop()
