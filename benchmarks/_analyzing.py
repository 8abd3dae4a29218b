"""Analyzers at work on a backlog: the service in this process, a bare loop, and processes of their own."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.bootstrap import BATCH, analyze
from serinus_analyzer.use_cases.ports import Commit
from serinus_contracts import Keys, MetricsCollected, from_entry
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_contracts.written_verdict import written
from serinus_judging.evaluation import Evaluation, evaluate
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import connected
from serinus_runtime.service import Service
from serinus_runtime.settings import Settings

from benchmarks._procfs import cpu_seconds

MANY = 10_000_000
"""No stream is trimmed here."""


class Spent(NamedTuple):
    """Seconds of wall clock and of this process' CPU."""

    wall: float
    cpu: float


async def by_service(url: str, keys: Keys, total: int) -> Spent:
    """The analyzer as it is deployed, until `total` verdicts are there."""
    settings = Settings(redis_url=url, redis_tag=keys.tag, stream_maxlen=MANY, log_level="ERROR")
    service = Service("analyzer", registry=CollectorRegistry())
    wall, cpu = time.perf_counter(), time.process_time()
    working = asyncio.create_task(analyze(service, settings))
    await _until(url, keys, total)
    spent = Spent(time.perf_counter() - wall, time.process_time() - cpu)
    service.stop()
    await working
    return spent


async def by_bare_loop(url: str, keys: Keys, total: int) -> Spent:
    """Read, judge, commit, and nothing else: redis-py, the same judge, the same script."""
    done, stream = 0, keys.stream("snapshots")
    async with connected(url) as client:
        evidence = RedisEvidence(client, keys, clock=now_ms, max_entries=MANY)
        wall, cpu = time.perf_counter(), time.process_time()
        while done < total:
            answer: Any = await client.xreadgroup(ANALYZER_GROUP, "bare", {stream: ">"}, count=BATCH)
            snapshots = [(id_, from_entry(MetricsCollected, fields).data) for id_, fields in answer[0][1]]
            while snapshots:
                first = {snapshot.run.id: (id_, snapshot) for id_, snapshot in reversed(snapshots)}
                snapshots = [one for one in snapshots if first[one[1].run.id] != one]
                done += await _fold(evidence, first)
        return Spent(time.perf_counter() - wall, time.process_time() - cpu)


async def _fold(evidence: RedisEvidence, snapshots: dict[str, tuple[bytes, MetricsCollected]]) -> int:
    before = await evidence.load(list(snapshots))
    steps = []
    for run, (_, snapshot) in snapshots.items():
        plan = await evidence.plan(snapshot.plan)
        assert plan is not None
        steps.append(Evaluation(before[run], plan, snapshot))
    folds = [
        Commit(run, before[run], after, [written(verdict)], [id_])
        for (run, (id_, _)), (after, verdict) in zip(snapshots.items(), evaluate(steps), strict=True)
    ]
    return sum(await evidence.commit(folds))


async def _until(url: str, keys: Keys, total: int, seconds: float = 600) -> None:
    async with asyncio.timeout(seconds), connected(url) as client:
        while await client.xlen(keys.stream("verdicts")) < total:
            await asyncio.sleep(0.02)


class Process:
    """A service as a process, with the CPU time it has used."""

    def __init__(
        self,
        module: str,
        log: Path,
        environment: dict[str, str],
        *,
        python: str = sys.executable,
        folder: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [python, "-m", module],
                cwd=folder,
                env={**os.environ, **environment, "SERINUS_HTTP_PORT": "0"},
                stdout=out,
                stderr=out,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu_seconds(self._process.pid)

    @property
    def page(self) -> str | None:
        """Address of its health and figures, from its log; None until it is there."""
        found = re.search(r'"port": (\d+)', self.log.read_text())
        return None if found is None else f"http://127.0.0.1:{found[1]}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It does nothing meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@contextmanager
def processes(module: str, count: int, folder: Path, **environment: str) -> Iterator[Sequence[Process]]:
    """So many of a service, ended on leaving."""
    made = [Process(module, folder / f"{module}-{number}.log", environment) for number in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.stop()
