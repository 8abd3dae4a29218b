"""From a snapshot that is due to the patch that arrives, and is followed, through real services: a thousand releases.

They begin as fast as the simulated cluster takes them; every run has a snapshot each 30 s in a phase of its own and
comes to its first gate some snapshots later, so verdicts that open a gate come some 33 a second. Simulator (cluster
and Prometheus in one), Redis and services share this machine.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import yaml
from serinus.demo.processes import process_group
from serinus_contracts import DecisionTaken, Keys, from_entry
from serinus_runtime.redis import connected

from benchmarks._analyzing import MANY
from benchmarks._arrivals import arrivals, stamped
from tests.servers import RedisServer
from tests.simulated import World, rollout, scenario, simulated, start_services
from tests.support import policy_document

Figures = dict[str, float]
INTERVAL = 30.0
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]
POLICY = policy_document(
    interval=INTERVAL,
    minimum="2m",
    falseAbortRate=0.00001,
    metrics=[{"name": "errors", "preset": "http-errors", "critical": True}],
)


async def delivering(server: RedisServer, folder: Path, *, runs: int) -> Figures:
    """Percentiles (ms) at the first gate of all: due to snapshot, snapshot to verdict, verdict to the patch as it
    arrives and as it is seen to be followed."""
    policies, keys, names = folder / "policies", Keys("delivering"), [f"app-{number}" for number in range(runs)]
    policies.mkdir()
    (policies / "shop.yaml").write_text(yaml.safe_dump(POLICY))
    small = {"replicas": 1, "steps": STEPS, "traffic": {"requests_per_second": 200}}
    world = scenario(*(rollout(name, **small) for name in names), prometheus={"scrape_interval": "15s"})
    with (
        simulated(folder / "world", world, group=process_group) as made,
        stamped(made) as (kubeconfig, log),
    ):
        environment = made.settings(server.url, keys, policies) | {
            "KUBECONFIG": str(kubeconfig),
            "SERINUS_STREAM_MAXLEN": str(MANY),
            "SERINUS_POLL": "5",
            "SERINUS_LEASE_DURATION": "15",
        }
        start_services(made, environment)
        async with connected(server.url) as client:
            await _release(made, names)
            dues: dict[bytes, list[float]] = {}
            decisions = keys.stream("decisions")
            async with asyncio.timeout(900):
                while len(await _advanced(client, decisions)) < runs:
                    live: Any = await client.zrange(keys.due, 0, -1, withscores=True)
                    for run, due in live:
                        dues.setdefault(run, []).append(due)
                    await asyncio.sleep(2)
            figures = await _times(client, keys, dues, arrivals(log))
            await client.flushall()
    return figures


async def _release(world: World, names: Sequence[str]) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        for name in names:
            body = {"namespace": "shop", "name": name, "image": f"registry.example.com/shop/{name}:v2"}
            (await http.post(f"{world.url}/world/release", json=body)).raise_for_status()


class _Opened(NamedTuple):
    """A first gate: its run and Rollout, and when it was seen to be open (ms)."""

    run: bytes
    rollout: str
    at: float


async def _advanced(client: Any, stream: str) -> dict[str, _Opened]:
    """First gates that are open, by the verdict that caused it."""
    found = {}
    for entry, fields in await client.xrange(stream):
        if (fields[b"action"], fields[b"state"]) == (b"advance", b"confirmed"):
            event = from_entry(DecisionTaken, fields).data
            if event.step == 1:
                found[event.cause] = _Opened(event.run.id.encode(), event.run.rollout, _ms(entry))
    return found


async def _times(client: Any, keys: Keys, dues: dict[bytes, list[float]], came: dict[str, list[float]]) -> Figures:
    snapshots, verdicts = [
        {fields[b"ce_id"].decode(): _ms(entry) for entry, fields in await client.xrange(keys.stream(name))}
        for name in ("snapshots", "verdicts")
    ]
    rows = []
    for cause, opened in (await _advanced(client, keys.stream("decisions"))).items():
        snapshot, verdict = snapshots[cause], verdicts[cause]
        # While a worker has the run, its score is when the lease ends; the next due time is set with the snapshot.
        due = max((one for one in dues.get(opened.run, ()) if one <= snapshot), default=snapshot)
        # An entry's time is cut to milliseconds.
        patch = next((one for one in came[opened.rollout] if one >= verdict), opened.at)
        rows.append((snapshot - due, verdict - snapshot, patch - verdict, opened.at - verdict, patch - due))
    names = ("due to snapshot", "snapshot to verdict", "verdict to patch", "verdict to confirmed patch", "due to patch")
    return {
        f"{name}, p{percent}, ms": float(np.percentile(found, percent))
        for name, found in zip(names, zip(*rows, strict=True), strict=True)
        for percent in (50, 95, 99)
    }


def _ms(entry: bytes) -> float:
    return float(entry.partition(b"-")[0])
