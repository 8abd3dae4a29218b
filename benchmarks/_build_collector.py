"""A collector of a build on a real Prometheus: what a snapshot costs it, the provider, and Redis."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import httpx
import yaml
from serinus_contracts import Keys
from serinus_runtime.redis import Client, connected

from benchmarks._builds import Build, NotComparableError
from benchmarks._collecting import _pages
from benchmarks._figures import Figures
from benchmarks._procfs import cpu_seconds
from tests.servers import RedisServer, free_port, prometheus_server, redis_binary, sampled, wait_until
from tests.topologies import started

KEYS = Keys("versus")
APPS, SCRAPE_SECONDS, INTERVAL = 10, 5, 10
_RUNS = f"""
import asyncio, inspect, json, sys
from benchmarks._collecting import _observed, _plan
from serinus_contracts import Keys
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import connected
url, tag, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
plans = [_plan(app).model_copy(update={{"interval": {INTERVAL}.0}}) for app in range({APPS})]
most = [name for name in inspect.signature(RedisRegistry).parameters if name.endswith("_entries")]
async def main():
    async with connected(url) as client:
        registry = RedisRegistry(client, Keys(tag), clock=now_ms, **{{name: 10_000_000 for name in most}})
        for number in range(runs):
            plan = plans[number % {APPS}]
            await registry.observe(_observed(number, now_ms(), plan), plan, now_ms() + 3_600_000, publish=False)
asyncio.run(main())
print(json.dumps(runs))
"""
"""What a controller would have written of so many live runs."""


@contextmanager
def provider(folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes the pages of some applications, and has done so for a while."""
    port, config = free_port(), folder / "prometheus.yml"
    jobs = [
        {"job_name": f"app-{app}", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"app": str(app)}}]}
        for app in range(APPS)
    ]
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": f"{SCRAPE_SECONDS}s"}, "scrape_configs": jobs}))
    with _pages(port), prometheus_server(folder, config) as url:

        def scraped() -> bool:
            found = sampled(url, f'm0_total{{app="{APPS - 1}"}}[10m]')
            return bool(found) and len(found[0]["values"]) >= 4

        wait_until(scraped, 120, "Prometheus to scrape")
        yield url


async def collector(build: Build, url: str, runs: int, seconds: float) -> Figures:
    """Over some time after the first snapshot of each run, which is not like the others."""
    folder = Path(mkdtemp(prefix="serinus-versus-"))
    with started(RedisServer(redis_binary(), folder)) as server:
        async with connected(server.url) as client:
            build.made(_RUNS, server.url, KEYS.tag, str(runs))
            process = build.start(
                "serinus_collector",
                folder / "collector.log",
                SERINUS_REDIS_URL=server.url,
                SERINUS_REDIS_TAG=KEYS.tag,
                SERINUS_PROVIDERS=f"main={url}",
            )
            try:
                await _snapshots(client, runs, 3 * INTERVAL, process.log)
                before = await _spent(client, url, process.cpu, server.pid)
                await asyncio.sleep(seconds)
                after = await _spent(client, url, process.cpu, server.pid)
            finally:
                process.stop()
    snapshots, *spent = (now - earlier for now, earlier in zip(after, before, strict=True))
    return {name: value * scale / snapshots for (name, scale), value in zip(_PER_SNAPSHOT, spent, strict=True)}


_PER_SNAPSHOT = (
    ("collector, ms of CPU", 1e3),
    ("provider, ms of CPU (with its scrapes)", 1e3),
    ("provider, requests", 1),
    ("provider, kB answered", 1e-3),
    ("Redis, us of CPU", 1e6),
    ("Redis, commands", 1),
    ("Redis, kB received", 1e-3),
    ("Redis, kB sent", 1e-3),
)
"""What is told of each snapshot, and times what."""


async def _snapshots(client: Client, total: int, seconds: float, log: Path) -> None:
    try:
        async with asyncio.timeout(seconds + 60):
            while await client.xlen(KEYS.stream("snapshots")) < total:
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise NotComparableError(f"no snapshots: {log.read_text()[-300:]}") from None


async def _spent(client: Client, url: str, collector: float, redis: int) -> tuple[float, ...]:
    async with httpx.AsyncClient(timeout=10) as http:
        page = (await http.get(f"{url}/metrics")).text
    told = await client.info("stats")
    return (
        float(await client.xlen(KEYS.stream("snapshots"))),
        collector,
        _of(page, "process_cpu_seconds_total"),
        _of(page, r'prometheus_http_requests_total\{code="200",handler="/api/v1/query"\}'),
        _of(page, r'prometheus_http_response_size_bytes_sum\{handler="/api/v1/query"\}'),
        cpu_seconds(redis),
        *(float(told[f"total_{name}"]) for name in ("commands_processed", "net_input_bytes", "net_output_bytes")),
    )


def _of(page: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    return 0.0 if found is None else float(found[1])
