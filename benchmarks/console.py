"""What the console bears: `python -m benchmarks.console [--quick]`. A table, and as last line the figures as JSON.

Live runs with a snapshot every 30 s each, and open pages: each listens to its stream and fetches its page again when
something was told, as a browser does. Half of the pages are overviews, which hear of every run.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx
from serinus.demo.processes import ManagedProcess, process_group
from serinus_contracts import AnalysisPlan, Keys, RolloutObserved, Run, VerdictReached, from_entry, seal, to_entry
from serinus_contracts.envelope import E
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import Client, connected

from benchmarks._figures import Figures, Goals, close, missed, table
from benchmarks._procfs import cpu_seconds, memory_mib
from tests.servers import RedisServer, free_port, redis_binary
from tests.topologies import started

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
INTERVAL = 30.0
GOALS: Goals = {
    "page answers, p99 ms": ("at most", 200.0),
    "page answers, worst ms": ("at most", 200.0),
    "memory of the console, MB": ("at most", 200.0),
}


def _example(kind: type[E]) -> E:
    name = kind.TYPE.removeprefix("dev.serinus.").removesuffix(".v1")
    return from_entry(kind, {"ce": (EXAMPLES / f"{name}.json").read_text()}).data


@dataclass
class LiveRuns:
    """Runs like the one of the examples, whose snapshots go on."""

    client: Client
    keys: Keys
    count: int
    snapshots: int = 0

    def __post_init__(self) -> None:
        self._observed, self._said = _example(RolloutObserved), _example(VerdictReached)
        self._plan = AnalysisPlan.model_validate_json((EXAMPLES / "plan.json").read_text())
        self.runs = [
            self._said.run.model_copy(update={"name": f"service-{i}", "uid": f"00000000-0000-4000-8000-{i:012}"})
            for i in range(self.count)
        ]

    async def begin(self, past: int) -> None:
        """Make the runs known, each with so many snapshots behind it."""
        registry = RedisRegistry(self.client, self.keys, clock=now_ms, max_entries=100_000)
        for run in self.runs:
            event = self._observed.model_copy(update={"run": run, "stage_started": now_ms() - 60_000 * past})
            await registry.observe(event, self._plan, None, publish=True)
        for number in range(past):
            for run in self.runs:
                await self.snapshot(run, now_ms() - round(1000 * INTERVAL * (past - number)))

    async def snapshot(self, run: Run, end: int) -> None:
        """A verdict on the run's next snapshot, told as an analyzer does."""
        self.snapshots += 1
        said = self._said.model_copy(update={"run": run, "end": end, "evaluation": 1 + self.snapshots // self.count})
        entry = to_entry(seal(said, source="/serinus/analyzer", now=end))
        await self.client.xadd(self.keys.stream("verdicts"), dict(entry), maxlen=100_000)  # type: ignore[arg-type]

    async def go_on(self) -> None:
        """A snapshot of each run every 30 s, spread evenly."""
        while True:
            for run in self.runs:
                await self.snapshot(run, now_ms())
                await asyncio.sleep(INTERVAL / self.count)


@dataclass
class Reader:
    """An open page, of a client of its own: one has so many streams at most."""

    http: httpx.AsyncClient
    client: str
    path: str
    stream: str
    pace: float
    answers: list[float] = field(default_factory=list)
    told: int = 0

    async def read(self) -> None:
        changed = asyncio.Event()
        changed.set()
        async with self.http.stream("GET", self.stream, headers={"x-forwarded-for": self.client}) as answer:
            answer.raise_for_status()
            fetching = asyncio.create_task(self._fetch(changed))
            try:
                async for line in answer.aiter_lines():
                    if line.startswith("event: ") and line != "event: open":
                        self.told += 1
                        changed.set()
            finally:
                fetching.cancel()

    async def _fetch(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            begin = time.perf_counter()
            answer = await self.http.get(self.path)
            answer.raise_for_status()
            self.answers.append(1000 * (time.perf_counter() - begin))
            await asyncio.sleep(self.pace)


@asynccontextmanager
async def console(folder: Path, url: str, keys: Keys) -> AsyncIterator[tuple[ManagedProcess, str]]:
    """A console as a process, with its address."""
    port = free_port()
    with process_group(folder) as children:
        child = children.start(
            "console",
            "serinus_console",
            SERINUS_REDIS_URL=url,
            SERINUS_REDIS_TAG=keys.tag,
            SERINUS_HTTP_PORT=str(port),
            SERINUS_TRUSTED_PROXIES="127.0.0.1",
        )
        yield child, f"http://127.0.0.1:{port}"


async def measure(server: RedisServer, folder: Path, *, runs: int, pages: int, past: int, seconds: float) -> Figures:
    """Pages and event streams of `runs` runs, read by `pages` readers for so many seconds."""
    keys = Keys()
    async with connected(server.url) as client:
        live = LiveRuns(client, keys, runs)
        await live.begin(past)
        began = time.monotonic()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with (
            console(folder, server.url, keys) as (child, url),
            httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as http,
        ):
            while not await useful(http, f"service-{runs - 1}"):
                await asyncio.sleep(0.05)
            useful_after = time.monotonic() - began
            going = asyncio.create_task(live.go_on())
            readers = [_reader(http, live.runs[i * runs // pages], i) for i in range(pages)]
            reading = [asyncio.create_task(reader.read()) for reader in readers]
            before, since = cpu_seconds(child.pid), time.monotonic()
            await asyncio.sleep(seconds)
            used = (cpu_seconds(child.pid) - before) / (time.monotonic() - since)
            for task in [going, *reading]:
                task.cancel()
            await asyncio.gather(going, *reading, return_exceptions=True)
            answers = [answer for reader in readers for answer in reader.answers]
            cuts = quantiles(answers, n=100, method="inclusive")
            return {
                "live runs": runs,
                "open pages": pages,
                "snapshots told before": runs * past,
                "page with every run after the start, s": useful_after,
                "page answers": len(answers),
                "events told to pages": sum(reader.told for reader in readers),
                "page answers, p50 ms": cuts[49],
                "page answers, p99 ms": cuts[98],
                "page answers, worst ms": max(answers),
                "memory of the console, MB": memory_mib(child.pid),
                "cores of the console": used,
                "load average of the machine": os.getloadavg()[0],
            }


def _reader(http: httpx.AsyncClient, run: Run, number: int) -> Reader:
    client = f"192.0.2.{number % 250}"
    if number % 2:
        return Reader(http, client, f"/runs/{run.id}", f"/v1/runs/{run.id}/events?data=brief", 0.4)
    return Reader(http, client, "/", "/v1/events?data=brief", 1.5)


async def useful(http: httpx.AsyncClient, name: str) -> bool:
    """Whether the page shows the run that was told last."""
    try:
        return name in (await http.get("/", params={"q": name})).text
    except httpx.TransportError:
        return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.console", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs, pages and seconds")
    options = parser.parse_args(arguments)
    size = {"runs": 100, "pages": 10, "past": 5, "seconds": 8} if options.quick else {}
    size = size or {"runs": 500, "pages": 50, "past": 40, "seconds": 60}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "redis").mkdir()
        with started(RedisServer(redis_binary(), Path(folder) / "redis")) as server:
            figures = asyncio.run(measure(server, Path(folder), **size))
    print(table(figures, GOALS))
    close("console", figures, missed(figures, GOALS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
