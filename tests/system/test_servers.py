"""The collector's code over real metric servers, whose scrapes are kept beside as the truth: pods that restart, come,
go, are not scraped for a while, and fail now and then. Whatever a server shows when, no count is lost or told twice."""

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import httpx
import pytest
import yaml
from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.prometheus import Prometheus
from serinus_contracts import Proportion
from serinus_contracts.base import Arm
from serinus_contracts.events import Pod
from serinus_counting.windows import RunState
from serinus_runtime.clock import now_ms

from tests.servers import free_port, wait_until
from tests.support import ERRORS, observed, plan
from tests.system.metric_servers import SERVERS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800)]
SCRAPE = 1.0
SECONDS = float(os.environ.get("SERINUS_TEST_SERVERS_SECONDS", "40"))
CODES = ("200", "404", "503")


@dataclass
class Page:
    """A pod's counters, and what all scrapes of it have shown."""

    pod: Pod
    values: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    created: dict[str, float] = field(default_factory=dict)

    def serve(self, code: str, requests: int) -> None:
        self.values[code] = self.values.get(code, 0) + requests
        # Nothing serves in the moment in which it is made; a scrape is of the time at which it was begun.
        self.created.setdefault(code, time.time() - 0.3)

    def restart(self, number: int) -> None:
        self.shown, self.values, self.created = {}, {}, {}
        self.serve("200", number)

    def scraped(self) -> str:
        lines = []
        for code, value in self.values.items():
            self.total[code] = self.total.get(code, 0) + value - self.shown.get(code, 0)
            self.shown[code] = value
            lines.append(f'http_requests_total{{code="{code}"}} {value}\n')
            lines.append(f'http_requests_created{{code="{code}"}} {self.created[code]:.3f}\n')
        return "# TYPE http_requests counter\n" + "".join(lines) + "# EOF\n"


class Fleet:
    """Pods of both arms behind one port, each a path of its own; `targets` is the file that the server reads."""

    def __init__(self, folder: Path, port: int) -> None:
        self.pages: dict[str, Page] = {}
        self.lock, self.targets, self.port = threading.Lock(), folder / "targets.yml", port
        self.live: list[str] = []
        for number in range(4):
            self.start("canary" if number % 2 else "stable")

    def start(self, arm: Arm) -> None:
        name = f"checkout-{'new' if arm == 'canary' else 'old'}-{len(self.pages)}"
        pod = Pod(name=name, arm=arm, started=now_ms(), ready=True)
        self.pages[name] = Page(pod)
        self.pages[name].restart(10**9)
        self.live.append(name)
        self._write()

    def remove(self, name: str) -> None:
        """Its page has ended; its target stays for a moment, as with a kubelet."""
        with self.lock:
            self.pages[name].silent = True
        self.live.remove(name)
        self._write()

    def _write(self) -> None:
        groups = [
            {"targets": [f"127.0.0.1:{self.port}"], "labels": {"pod": name, "namespace": "shop", "instance": name,
                                                                "__metrics_path__": f"/{name}"}}
            for name in self.live
        ]  # fmt: skip
        written = self.targets.with_suffix(".new")
        written.write_text(yaml.safe_dump(groups))
        written.replace(self.targets)

    def act(self, draw: Random) -> None:
        """What happens in a tenth of a second."""
        with self.lock:
            for name in self.live:
                page = self.pages[name]
                for code in CODES:
                    if code == "200" or draw.random() < 0.02:
                        page.serve(code, draw.randrange(1, 9))
                if draw.random() < 0.004:
                    page.silent = not page.silent
        name = draw.choice(self.live)
        if draw.random() < 0.01:
            with self.lock:
                page = self.pages[name]
                page.pod = page.pod.model_copy(update={"restarts": page.pod.restarts + 1})
                page.restart(10 ** (9 - min(page.pod.restarts, 7)))
        elif draw.random() < 0.01 and len([one for one in self.live if one[:12] == name[:12]]) > 1:
            self.remove(name)
            self.start(self.pages[name].pod.arm)

    def calm(self) -> None:
        with self.lock:
            for name in self.live:
                self.pages[name].silent = False

    def shown(self) -> dict[str, tuple[int, int]]:
        """Errors and requests by arm that scrapes have shown."""
        found = {"canary": (0, 0), "stable": (0, 0)}
        with self.lock:
            for page in self.pages.values():
                events, trials = found[page.pod.arm]
                found[page.pod.arm] = events + page.total.get("503", 0), trials + sum(page.total.values())
        return found


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    port = free_port()
    pods = Fleet(folder, port)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with pods.lock:
                page = pods.pages[self.path.strip("/")]
                text = None if page.silent else page.scraped()
            self.send_response(500 if text is None else 200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield pods
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "name", ["prometheus", *(pytest.param(name, marks=pytest.mark.servers) for name in SERVERS if name != "prometheus")]
)
async def test_all_that_scrapes_have_shown_is_counted_once_whatever_happens_to_the_pods(
    name: str, tmp_path: Path
) -> None:
    draw = Random(os.environ.get("SERINUS_TEST_SERVERS_SEED", "1"))
    config = tmp_path / "config.yml"
    with fleet(tmp_path) as pods:
        jobs = [{"job_name": "pods", "file_sd_configs": [{"files": [str(pods.targets)], "refresh_interval": "1s"}]}]
        scraping = {"scrape_interval": f"{SCRAPE:g}s", "scrape_timeout": f"{SCRAPE:g}s"}
        config.write_text(yaml.safe_dump({"global": scraping, "scrape_configs": jobs}))
        with SERVERS[name](tmp_path, config) as url:
            wait_until(lambda: all(page.total for page in pods.pages.values()), 60, "all pods to be scraped")
            await _followed(pods, url, draw)


async def _followed(pods: Fleet, url: str, draw: Random) -> None:
    started = now_ms()
    rule = plan(metrics=(ERRORS,), interval=2 * SCRAPE, settle=2 * SCRAPE)
    state = RunState(observed(), started, follows=1, scrape_ms=round(SCRAPE * 1000))
    async with httpx.AsyncClient() as http:
        collected = CollectedRun(rule, state, Prometheus(http, url, timeout=10), 10.0)

        async def snapshot() -> str:
            with pods.lock:
                known = tuple(page.pod for page in pods.pages.values())
            seen = observed(pods=known, stage_started=started)
            taken = await collected.collect(seen, now_ms() + 10_000, now_ms())
            return taken.metrics["errors"].status if taken else ""

        async with asyncio.timeout(60):
            while await snapshot() != "ok":  # nobody has counted anything yet
                await asyncio.sleep(0.2)
        base, due, until = pods.shown(), time.monotonic(), time.monotonic() + SECONDS
        while time.monotonic() < until:
            pods.act(draw)
            if time.monotonic() >= due:
                await snapshot()
                due = time.monotonic() + 2 * SCRAPE
            await asyncio.sleep(0.1)
        pods.calm()

        def counted() -> dict[str, tuple[int, int]]:
            found = {"canary": (0, 0), "stable": (0, 0)}
            for one in (each.metrics["errors"] for each in collected.snapshots):
                assert isinstance(one, Proportion)
                for arm, by_pod in (("canary", one.canary), ("stable", one.stable)):
                    events, trials = found[arm]
                    found[arm] = (events + sum(x for x, _ in by_pod.values()),
                                  trials + sum(n for _, n in by_pod.values()))  # fmt: skip
            return found

        def wanted() -> dict[str, tuple[int, int]]:
            shown = pods.shown()
            return {arm: (shown[arm][0] - base[arm][0], shown[arm][1] - base[arm][1]) for arm in shown}

        def late() -> str:
            """What came too late to be counted, by the snapshots' own words."""
            details = [each.metrics["errors"].detail for each in collected.snapshots]
            return "; ".join(detail for detail in details if "came too late" in detail)

        until = time.monotonic() + 90
        while counted() != wanted() and time.monotonic() < until:
            await snapshot()
            await asyncio.sleep(0.5)
        statuses = Counter(each.metrics["errors"].status for each in collected.snapshots)
        sys.stdout.write(
            f"{len(collected.snapshots)} snapshots {dict(statuses)}, counted {counted()} of {wanted()} {late()}\n"
        )
        # Everything is counted at last, or it is said; nothing is counted twice.
        assert all(
            have <= want for arm, both in wanted().items() for have, want in zip(counted()[arm], both, strict=True)
        )
        assert counted() == wanted() or late()
