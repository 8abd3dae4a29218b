"""Wires the console: reads the streams, answers the web."""

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

from prometheus_client import Gauge
from serinus_rollouts.kubernetes.api import Api, connect
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import PermanentError
from serinus_runtime.loops import forever
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.witness import Witness

from serinus_console.adapters.archive import RedisArchive
from serinus_console.adapters.follower import Follower
from serinus_console.adapters.identity import ReadOnly, SharedToken
from serinus_console.adapters.kubernetes import TIMEOUT_SECONDS, Kubernetes
from serinus_console.adapters.sessions import Sessions
from serinus_console.entrypoints.web.application import application
from serinus_console.entrypoints.web.guard import Guard
from serinus_console.entrypoints.web.site import Site
from serinus_console.settings import ConsoleSettings
from serinus_console.use_cases.limits import Limiter
from serinus_console.use_cases.ports import Directory
from serinus_console.use_cases.remembered import Remembered
from serinus_console.use_cases.runs import Runs

COMMANDS_A_MINUTE = 20
LOGINS_A_MINUTE = 10
BAD_TOKENS_A_MINUTE = 30
# A page with a session does not ask the cluster at each request.
REVIEW_SECONDS = 15.0
# Longer than a read that waits for news; a Redis that hangs is soon told to be away.
REDIS_TIMEOUT = 3.0


async def console(service: Service, settings: ConsoleSettings) -> None:
    """Follow the streams and answer, until the service stops."""
    async with AsyncExitStack() as stack:
        directory = Remembered(await _directory(settings, stack), REVIEW_SECONDS, time.monotonic)
        broker = make_broker(settings, socket_timeout=REDIS_TIMEOUT)
        client = await broker.connect()
        stack.push_async_callback(broker.stop)
        service.health.require("redis", lambda: unreachable(client))
        runs = Runs(heard=service.clock())
        service.health.require("runs", partial(_unread, runs))
        guard = Guard(
            auth=settings.auth,
            cluster=settings.cluster,
            directory=directory,
            sessions=Sessions(client, settings.keys, round(3600 * settings.session_hours)),
            commands=Limiter(COMMANDS_A_MINUTE, time.monotonic),
            logins=Limiter(LOGINS_A_MINUTE, time.monotonic),
            bad_tokens=Limiter(BAD_TOKENS_A_MINUTE, time.monotonic),
            audience=settings.audience,
            user_header=settings.user_header,
            groups_header=settings.groups_header,
        )
        archive = RedisArchive(client, settings.keys, service.clock)
        service.site = application(
            Site(runs, archive, guard, client, settings.keys, service.clock),
            settings.known_hosts,
            settings.trusted_proxies,
        )
        Gauge("serinus_console_feeds", "open event streams", registry=service.registry).set_function(
            lambda: len(runs.feeds)
        )
        # It stays ready: people want to see what there is.
        witness = Witness(client, settings.keys, service.registry)
        follower = Follower(client, settings.keys, runs, service.clock, Complaints(service.registry, "entry", "run"))
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(forever(name, step, health=service.health, stopping=service.stopping))
                for name, step in (("follow", follower.step), ("past", follower.past), ("memory", witness.look))
            ]
            await service.stopping.wait()
            runs.close()
            for task in reading:
                task.cancel()  # it only reads: nothing is left half done


async def _unread(runs: Runs) -> str | None:
    """The readiness check: whoever asks before would be told of no runs."""
    return None if runs.loaded else "the runs are still being read from Redis"


async def _directory(settings: ConsoleSettings, stack: AsyncExitStack) -> Directory:
    if settings.auth == "none":
        return ReadOnly()
    token = settings.token.get_secret_value()
    if settings.auth == "token":
        if len(token) < 20:
            raise PermanentError("SERINUS_AUTH=token wants a SERINUS_TOKEN of at least 20 characters")
        return SharedToken(token)
    try:
        connection = await stack.enter_async_context(await connect(settings.kubeconfig))
    except ValueError as error:
        raise PermanentError(str(error)) from error
    return Kubernetes(Api(connection, TIMEOUT_SECONDS), settings.audience)
