"""One run of chaos: a world of releases, two of each service, everything going wrong by a schedule; then the ledger."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from serinus.demo.processes import process_group
from serinus_contracts import Keys
from serinus_contracts.streams import ANALYZER_GROUP, controller_group
from serinus_runtime.redis import connected
from serinus_simulator.audit.ledger import check_all

from tests.chaos.proxy import Proxy
from tests.chaos.recorder import Recorder
from tests.chaos.schedule import EACH, Schedule
from tests.chaos.troubles import Troubles
from tests.clocks import stepped_clock
from tests.servers import RedisServer, redis_binary, valkey_binary
from tests.simulated import World, rollout, scenario, simulated, start_services
from tests.support import policy_document
from tests.topologies import started

STEPS: list[dict[str, Any]] = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]
BAD = {"canary": [{"from": {"weight": 50}, "error_rate": 0.03}]}
MAXLEN = 1000


@dataclass
class Report:
    """What came of it; `faults` empty means that all held."""

    schedule: Schedule
    folder: Path
    seconds: float = 0.0
    windows: int = 0
    snapshots: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def name_of(number: int) -> str:
    return f"app-{number:03d}"


def wanted_rollouts(runs: int, bad: frozenset[int]) -> list[dict[str, Any]]:
    edges = {"from": "5ms", "to": "5s", "ratio": 2.5}
    return [
        rollout(name_of(i), steps=STEPS, replicas=2, metrics={"edges": edges}, **(BAD if i in bad else {}))
        for i in range(runs)
    ]


async def chaos(schedule: Schedule, *, limit: float, say: Callable[[str], None], folder: Path | None = None) -> Report:
    """Run the schedule, wait until every release has ended (`limit` seconds at most), and check all that was told."""
    folder = folder or Path(tempfile.mkdtemp(prefix="serinus-chaos-"))
    report, began = Report(schedule, folder), time.monotonic()
    runs = len(schedule.releases)
    # So many runs are looked at that one machine bears it.
    interval = max(1.0, runs / 20)
    wanted = wanted_rollouts(runs, schedule.bad)
    world = simulated(
        folder / "world", scenario(*wanted, prometheus={"scrape_interval": f"{interval / 2}s"}), group=process_group
    )
    (folder / "redis").mkdir(parents=True, exist_ok=True)
    keys = Keys()
    clocks = {name: clock for name in ("redis", *EACH) if (clock := stepped_clock(folder / f"{name}.clock"))}
    if not clocks:
        say("libfaketime is not installed: all clocks stay right")
    binary = clocks["redis"].wrapped(valkey_binary()) if clocks else redis_binary()
    with world as made, started(RedisServer(binary, folder / "redis")) as server:
        async with connected(server.url) as client, Proxy(server.port) as proxy:
            environment = made.settings(proxy.url, keys, policies(folder, interval))
            environment["SERINUS_STREAM_MAXLEN"] = str(MAXLEN)
            environment["SERINUS_LEASE_DURATION"] = str(3 + runs // 50)
            services = {
                name: start_services(made, environment | (clocks[name].environment if clocks else {}), name)[name]
                for name in EACH
            }
            recorder = Recorder(client, keys)
            recording = asyncio.create_task(recorder.run())
            troubles = Troubles(made, server, proxy, client, keys, services, clocks, recorder, MAXLEN + 900)
            try:
                await all_ready(services)
                await _play(schedule, made, troubles, say)
                await _ended(report, recorder, limit, say)
                await _settled(report, troubles)
                recording.cancel()
                await recorder.catch_up()
                await _judge(report, troubles)
            finally:
                recording.cancel()
    report.seconds = time.monotonic() - began
    return report


def policies(folder: Path, interval: float, **other: Any) -> Path:
    """A folder with one policy for all."""
    made = folder / "policies"
    made.mkdir(exist_ok=True)
    spec: dict[str, Any] = {
        "interval": interval,
        "settle": interval,
        "minimum": 4 * interval,
        "warmup": interval,
        "maximum": "2h",
        # The machinery is on trial here, not chance: no healthy release of 150 may be aborted.
        "falseAbortRate": 0.00001,
        "metrics": [
            {"name": "errors", "preset": "http-errors", "critical": True},
            {"name": "latency", "preset": "http-latency"},
        ],
    }
    (made / "shop.yaml").write_text(yaml.safe_dump(policy_document(**(spec | other))))
    return made


async def all_ready(services: dict[str, Any]) -> None:
    async with asyncio.timeout(90):
        while not all('"port"' in child.log.read_text() for child in services.values()):
            await asyncio.sleep(0.2)


async def _play(schedule: Schedule, world: World, troubles: Troubles, say: Callable[[str], None]) -> None:
    began = time.monotonic()

    async def at(moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - (time.monotonic() - began)))

    async def release() -> None:
        async with httpx.AsyncClient(timeout=30) as http:
            for number, moment in enumerate(schedule.releases):
                await at(moment)
                name = name_of(number)
                body = {"namespace": "shop", "name": name, "image": f"registry.example.com/shop/{name}:v2"}
                (await http.post(f"{world.url}/world/release", json=body)).raise_for_status()

    async def trouble() -> None:
        async with asyncio.TaskGroup() as tasks:
            for one in schedule.troubles:
                await at(one.at)
                say(str(one))
                tasks.create_task(troubles.make(one))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(release())
        tasks.create_task(trouble())


async def _ended(report: Report, recorder: Recorder, limit: float, say: Callable[[str], None]) -> None:
    """Wait for every release to end by itself: nothing goes wrong any more, and nobody helps."""
    runs, last, end = len(report.schedule.releases), -1, time.monotonic() + limit
    while (done := len(recorder.outcomes())) < runs and time.monotonic() < end:
        if done != last:
            say(f"{done} of {runs} releases have ended")
            last = done
        await asyncio.sleep(1)


async def _settled(report: Report, troubles: Troubles) -> None:
    """Wait until nothing is pending in any group."""
    keys = troubles.keys
    groups = {keys.stream("snapshots"): ANALYZER_GROUP, keys.stream("verdicts"): controller_group("default"),
              keys.stream("commands"): controller_group("default")}  # fmt: skip
    pending = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while True:
                pending = {
                    stream: (await troubles.client.xpending(stream, group))["pending"]
                    for stream, group in groups.items()
                }
                if not any(pending.values()):
                    return
                await asyncio.sleep(0.5)
    report.faults += [f"{count} entries of {stream} are pending for ever" for stream, count in pending.items() if count]


async def _judge(report: Report, troubles: Troubles) -> None:
    recorder = troubles.recorder
    outcomes = recorder.outcomes()
    for number in range(len(report.schedule.releases)):
        wanted = "aborted" if number in report.schedule.bad else "promoted"
        found = outcomes.get(name_of(number), "not ended")
        report.outcomes[found] = report.outcomes.get(found, 0) + 1
        if found != wanted:
            report.faults.append(f"{name_of(number)} is {found}, must be {wanted}")
    told = recorder.told()
    report.snapshots = sum(len(one.snapshots) for one in told.values())
    ledgers = await check_all(troubles.client, troubles.keys, troubles.world.truth, told)
    for run, ledger in ledgers.items():
        report.windows += ledger.windows
        name = told[run].snapshots[0].run.name
        report.faults += [f"{name} ({run}): {fault}" for fault in ledger.faults]
    letters: Any = await troubles.client.xrange(troubles.keys.dead_letters)
    if len(letters) != troubles.garbled:
        errors = [letter.get(b"error", b"").decode()[-300:] for _, letter in letters]
        report.faults.append(f"{len(letters)} dead letters, {troubles.garbled} entries were garbled: {errors[:8]}")
    for name, child in troubles.services.items():
        report.faults += [f"{name} has exited:\n{child.log_tail(5)}"] * child.exited
    (report.folder / "faults.txt").write_text("\n".join(report.faults))
