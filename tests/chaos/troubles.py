"""Makes things go wrong, and right again."""

import asyncio
import contextlib
import os
import random
import signal
from dataclasses import dataclass, field
from typing import Any

import httpx
from redis.exceptions import RedisError
from serinus.demo.processes import ManagedProcess
from serinus_contracts import CommandIssued, Keys, seal, to_entry

from tests.chaos.proxy import Proxy
from tests.chaos.recorder import Recorder
from tests.chaos.schedule import Trouble
from tests.clocks import SteppedClock
from tests.servers import RedisServer
from tests.simulated import World

GROUPS = {"snapshots": 1, "verdicts": 1, "commands": 1}
"""How many groups read a stream, and so bury what cannot be read."""


@dataclass
class Troubles:
    world: World
    server: RedisServer
    proxy: Proxy
    client: Any
    keys: Keys
    services: dict[str, ManagedProcess]
    clocks: dict[str, SteppedClock]
    recorder: Recorder
    backlog: int
    garbled: int = 0
    redis: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def make(self, trouble: Trouble) -> None:
        """One trouble from its beginning to its end."""
        rng = random.Random(trouble.draw)
        # A Redis or a simulator that is itself in trouble spares us this one.
        with contextlib.suppress(RedisError, OSError, httpx.HTTPError):
            await getattr(self, f"_{trouble.kind.replace('-', '_')}")(trouble, rng)

    async def _kill(self, trouble: Trouble, _: random.Random) -> None:
        child = self.services[trouble.target]
        if not child.exited:
            child.kill()
            await asyncio.sleep(trouble.lasts)
            child.restart()

    async def _stop(self, trouble: Trouble, _: random.Random) -> None:
        await self._frozen([self.services[trouble.target]], trouble.lasts)

    async def _frozen(self, children: list[ManagedProcess], seconds: float) -> None:
        pids = [child.pid for child in children if not child.exited]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for pid in pids:
                # It may have been killed meanwhile, and reaped.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def _clock(self, trouble: Trouble, _: random.Random) -> None:
        if clock := self.clocks.get(trouble.target):
            clock.step(float(str(dict(trouble.fault)["seconds"])))

    async def _redis_clock(self, trouble: Trouble, _: random.Random) -> None:
        """The clock that all go by steps, and back."""
        if clock := self.clocks.get("redis"):
            clock.step(float(str(dict(trouble.fault)["seconds"])))
            await asyncio.sleep(trouble.lasts)
            clock.step(0)

    async def _redis_killed(self, trouble: Trouble, _: random.Random) -> None:
        async with self.redis:
            self.server.kill()
            await asyncio.sleep(trouble.lasts)
            await asyncio.to_thread(self.server.start)

    async def _redis_full(self, trouble: Trouble, _: random.Random) -> None:
        async with self.redis:
            used = (await self.client.info("memory"))["used_memory"]
            await self.client.config_set("maxmemory", max(1, used - 1_000_000))
            try:
                await asyncio.sleep(trouble.lasts)
            finally:
                await self.client.config_set("maxmemory", 0)

    async def _cut(self, trouble: Trouble, rng: random.Random) -> None:
        for _ in range(rng.randint(1, 8)):
            self.proxy.cut()
            await asyncio.sleep(rng.uniform(0, 0.5))

    async def _prometheus(self, trouble: Trouble, _: random.Random) -> None:
        await self._fault(target="prometheus", lasts=trouble.lasts, **dict(trouble.fault))

    async def _kubernetes(self, trouble: Trouble, _: random.Random) -> None:
        await self._fault(target="kubernetes", lasts=trouble.lasts, **dict(trouble.fault))

    async def _argo(self, trouble: Trouble, _: random.Random) -> None:
        await self._fault(target="argo", lasts=trouble.lasts, **dict(trouble.fault))

    async def _scrapes(self, trouble: Trouble, _: random.Random) -> None:
        await self._fault(target="scrape", lasts=trouble.lasts, **dict(trouble.fault))

    async def _fault(self, **fault: Any) -> None:
        await self._post("/world/faults", [fault])

    async def _post(self, path: str, body: Any) -> None:
        async with httpx.AsyncClient(timeout=20) as http:
            (await http.post(self.world.url + path, json=body)).raise_for_status()

    async def _pod_restarts(self, _: Trouble, rng: random.Random) -> None:
        for name in rng.sample(await self._rollouts(), k=1):
            arm = rng.choice(("stable", "canary"))
            await self._post("/world/restart-pod", {"namespace": "shop", "rollout": name, "arm": arm})

    async def _pod_deleted(self, _: Trouble, rng: random.Random) -> None:
        async with httpx.AsyncClient(timeout=20) as http:
            path = f"{self.world.url}/api/v1/namespaces/shop/pods"
            pods = (await http.get(path)).raise_for_status().json()["items"]
            name = rng.choice(pods)["metadata"]["name"]
            (await http.delete(f"{path}/{name}")).raise_for_status()

    async def _rollouts(self) -> list[str]:
        async with httpx.AsyncClient(timeout=20) as http:
            found = (await http.get(f"{self.world.url}/world/rollouts")).raise_for_status().json()
        return [one["name"] for one in found["rollouts"]]

    async def _duplicate(self, trouble: Trouble, rng: random.Random) -> None:
        """Copies of entries, some of them late."""
        entries = self.recorder.ours(trouble.target)
        copied = rng.sample(entries, k=min(len(entries), 20)) + entries[-5:]
        await asyncio.sleep(trouble.lasts)
        for _, fields in copied:
            await self._add(trouble.target, fields)

    async def _garble(self, trouble: Trouble, rng: random.Random) -> None:
        """What is no event: nothing, noise, an event cut off, one of another kind, one that lies about its type."""
        entries = self.recorder.ours(trouble.target)
        good = rng.choice(entries)[1].get(b"ce", b"{}") if entries else b"{}"
        for ce in (b"", rng.randbytes(200), good[: rng.randrange(len(good))], b'{"specversion":"1.0"}', b"[" * 5000):
            await self._add(trouble.target, {b"ce": ce})
            self.garbled += GROUPS.get(trouble.target, 0)
        await self._add(trouble.target, {b"": b"\xff\x00"})
        self.garbled += GROUPS.get(trouble.target, 0)

    async def _hold(self, trouble: Trouble, rng: random.Random) -> None:
        """A person holds a run and resumes it; a copy of the hold comes late."""
        live = [one.observed[-1] for one in self.recorder.told().values() if one.observed]
        live = [event for event in live if event.outcome is None]
        if not live:
            return
        event = rng.choice(live)
        held: dict[str, str] = {}
        for verb in ("hold", "resume"):
            ulid = "".join(rng.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=26))
            command = CommandIssued(
                run=event.run, id=ulid, verb=verb, step=event.step, expires=2**50, actor="chaos", reason="drill"
            )
            fields = to_entry(seal(command, source="/chaos", now=0))
            held = held or fields
            while not await self._said(fields):
                await asyncio.sleep(0.2)
            await asyncio.sleep(trouble.lasts)
        await self._add("commands", held)

    async def _said(self, fields: dict[str, str]) -> bool:
        """A person who gets an error says it again."""
        try:
            await self.client.xadd(self.keys.stream("commands"), fields)
        except (RedisError, OSError):
            return False
        return True

    async def _add(self, stream: str, fields: Any) -> None:
        key = self.keys.stream(stream)  # type: ignore[arg-type] # drawn from their names
        self.recorder.foreign.add((stream, await self.client.xadd(key, dict(fields))))

    async def _backlog(self, trouble: Trouble, _: random.Random) -> None:
        """No analyzer works until the snapshots' stream is as long as may be, or the time is up."""
        analyzers = [child for name, child in self.services.items() if name.startswith("analyzer")]

        async def long() -> None:
            while await self.client.xlen(self.keys.stream("snapshots")) < self.backlog:
                await asyncio.sleep(0.2)

        pids = [child.pid for child in analyzers if not child.exited]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            with contextlib.suppress(TimeoutError, RedisError):
                await asyncio.wait_for(long(), trouble.lasts)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
