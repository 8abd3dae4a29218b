"""A namespace that behaves as badly as the API server allows: its provider, policies, Rollouts and changes.

`python -m tests.hostile PORT` is the provider: a Prometheus whose answers are as large, as wide or as late as a query
asks for by name; who asks for the pods of a run gets what they count.
"""

import asyncio
import itertools
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
from aiohttp import web
from serinus_collecting.bodies import MAX_ANSWER_BYTES

from tests.servers import free_port, wait_until
from tests.simulated import World, rollout

NAMESPACE = "greedy"
START = time.time()
COSTLY = "all(result, " + " && ".join(["# >= 0"] * 15) + ")"
SERIES = {"many": 20_000, "buckets": 150, "few": 20}


def rollouts(count: int) -> list[dict[str, Any]]:
    """Of a scenario; the first are for policies of their own."""
    small: dict[str, Any] = {"namespace": NAMESPACE, "replicas": 1, "traffic": {"requests_per_second": 1}}
    return [rollout(f"g{number}", **small) for number in range(count)]


def policies() -> list[dict[str, Any]]:
    """As large, as wide, as slow and as frequent as the model accepts."""
    often = {"mode": "enforce", "interval": "0.5s", "settle": "0.5s", "warmup": "0s", "minimum": "60s"}
    source = {"provider": "hostile", "namespaceLabel": ""}
    asked = {"success": COSTLY, "over": "run", "interval": "0.5s", "failureLimit": 10_000}
    conditions = [
        {"name": f"m{number}", "query": f"values{number}" + "x" * 300, "conditions": asked} for number in range(50)
    ]
    wide = [{"name": f"m{number}", "histogram": f"buckets{number}_bucket"} for number in range(50)]
    labels = ",".join(f'l{number}!~"(x.*){{{number},40}}"' for number in range(18))
    many = [
        {"name": f"m{number}", "events": f'many{{code=~"5..",{labels}}}', "trials": f"many{{{labels}}}"}
        for number in range(2)
    ]
    slow = [{"name": f"m{number}", "events": "slow_bad", "trials": "slow_all"} for number in range(10)]
    return [
        _policy(
            "all", {"name": None}, {**often, "judge": {"name": "threshold"}, "metrics": conditions, "source": source}
        ),
        *(_policy(f"wide{n}", {"name": f"g{n}"}, {**often, "metrics": wide, "source": source}) for n in range(5)),
        *(_policy(f"many{n}", {"name": f"g{n}"}, {**often, "metrics": many, "source": source}) for n in range(5, 15)),
        *(_policy(f"slow{n}", {"name": f"g{n}"}, {**often, "metrics": slow, "source": source}) for n in range(15, 45)),
    ]


def heavy_policies(count: int) -> list[dict[str, Any]]:
    """For a Rollout each: as many metrics as may be, each with an answer of the largest kinds in turn."""
    often = {"interval": "0.5s", "settle": "0.5s", "warmup": "0s", "minimum": "60s"}
    source = {"provider": "hostile", "namespaceLabel": ""}
    heavy = [
        {"name": f"m{number}", "events": f'{kind}{number}{{code=~"5.."}}', "trials": f"{kind}{number}"}
        for number, kind in zip(range(50), itertools.cycle(("long", "many")))
    ]
    return [
        _policy(f"heavy{n}", {"name": f"g{n}"}, {**often, "metrics": heavy, "source": source}) for n in range(count)
    ]


def _policy(name: str, match: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    wanted = {key: value for key, value in match.items() if value} or {"namespace": NAMESPACE}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "CanaryPolicy",
        "metadata": metadata,
        "spec": {"match": wanted, **spec},
    }


async def misbehave(world: World, count: int, wanted: Sequence[dict[str, Any]] = ()) -> None:
    """Release all, and then change Rollouts and policies many times a second, until cancelled."""
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as http:
        for policy in wanted or policies():
            path = f"/apis/serinus.dev/v1alpha1/namespaces/{NAMESPACE}/canarypolicies"
            (await http.post(path, json=policy)).raise_for_status()
        for number in range(count):
            body = {"namespace": NAMESPACE, "name": f"g{number}", "image": "registry.example.com/greedy:v2"}
            (await http.post("/world/release", json=body)).raise_for_status()
        turn = 0
        while True:
            turn += 1
            path = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/rollouts/g{turn % count}"
            changed = {"metadata": {"annotations": {"turn": str(turn), "large": "x" * 100_000}}}
            await http.patch(path, json=changed, headers={"content-type": "application/merge-patch+json"})
            await asyncio.sleep(0.05)


def leave(world: World, count: int) -> None:
    """Delete the Rollouts."""
    for number in range(count):
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/rollouts/g{number}"
        httpx.delete(world.url + path, timeout=60).raise_for_status()


def events(world: World) -> list[dict[str, Any]]:
    """What its owner is told on its objects."""
    answer = httpx.get(f"{world.url}/api/v1/namespaces/{NAMESPACE}/events", timeout=60).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def paced_policies(world: World) -> set[str]:
    """The names of its policies that say that they are followed less often than they ask for."""
    path = f"/apis/serinus.dev/v1alpha1/namespaces/{NAMESPACE}/canarypolicies"
    policies = httpx.get(world.url + path, timeout=60).raise_for_status().json()["items"]
    return {
        policy["metadata"]["name"]
        for policy in policies
        for one in policy.get("status", {}).get("conditions", ())
        if (one["type"], one["status"]) == ("Paced", "True")
    }


def lease_transitions(world: World) -> int:
    """How often another controller has taken over from the first."""
    path = "/apis/coordination.k8s.io/v1/namespaces/serinus/leases/serinus-controller"
    return int(httpx.get(world.url + path, timeout=60).raise_for_status().json()["spec"]["leaseTransitions"])


def _wall(service: str) -> float:
    return time.monotonic()


async def watch_health(
    ports: Mapping[str, int], slowest: dict[str, float], clock: Callable[[str], float] = _wall
) -> None:
    """Keep the longest time (s) that /healthz of each service takes by its clock, until cancelled."""
    async with httpx.AsyncClient(timeout=10) as http:
        while True:
            for name, port in ports.items():
                began = clock(name)
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                except httpx.ConnectError:
                    continue  # it has not started yet
                except httpx.TimeoutException:
                    pass
                slowest[name] = max(slowest.get(name, 0.0), clock(name) - began)
            await asyncio.sleep(0.1)


def held_seconds(port: int) -> float:
    """For how long one step or another has held the event loop of a service, by its watchdog."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", follow_redirects=True, timeout=60).raise_for_status().text
    return next(
        float(line.split()[1]) for line in text.splitlines() if line.startswith("serinus_loop_held_seconds_total ")
    )


@contextmanager
def provider(world: World, name: str = "hostile") -> Iterator[str]:
    """The provider as a process; gives its address."""
    port = free_port()
    child = world.children.start(name, "tests.hostile", str(port))
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return httpx.get(f"{url}/").status_code == 404
        except httpx.HTTPError:
            return False

    wait_until(up, 60, "the hostile provider to answer")
    try:
        yield url
    finally:
        child.stop()


def _matrix(kind: str, at: float) -> bytes:
    """Series of two pods, of which nobody knows the names of Rollout and hashes: the query's labels are not heeded."""
    return _BODIES[kind].replace(b"1111111111", f"{at - 1:.0f}".encode()).replace(b"2222222222", f"{at:.0f}".encode())


def _body(kind: str, hashes: tuple[str, str]) -> bytes:
    if kind == "long":
        return _long_body(hashes[0])
    result = []
    for index in range(SERIES[kind] // 2):
        for pod in hashes:
            labels = {"__name__": kind, "pod": f"{pod}{index if kind == 'many' else 0}", "code": "200"}
            labels |= {"le": str(index) if index < SERIES[kind] // 2 - 1 else "+Inf"} if kind == "buckets" else {}
            labels |= {"l0": "x" * 60 + str(index)} if kind == "many" else {}
            values = [[1111111111, str(index)], [2222222222, str(index + 1)]]
            result.append({"metric": labels, "values": values})
    return orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def _long_body(pod: str) -> bytes:
    """One series with as many samples as an answer may have bytes for."""
    labels = {"__name__": "long", "pod": f"{pod}0", "code": "200"}
    count = (MAX_ANSWER_BYTES - 1_000) // 24
    values = [[1_000_000_000 + number, f"{number % 1_000_000:08}"] for number in range(count)]
    return orjson.dumps({
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": labels, "values": values}]},
    })  # fmt: skip


_BODIES: dict[str, bytes] = {}
_VALUES = orjson.dumps({
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]} for _ in range(1_000)]},
})  # fmt: skip


def _honest(query: str, at: float) -> bytes | None:
    """Of a query for a run's pods: a pod an arm with a hundred requests a second, scraped each half second."""
    asked = re.search(r'pod=~"(.+)-\((\w+)\|(\w+)\)-.*\[(\d+)ms', query)
    if asked is None:
        return None
    times = [round(2 * at - number) / 2 for number in range(min(100, int(asked[4]) // 500), -1, -1)]
    result = [
        {
            "metric": {"pod": f"{asked[1]}-{hash_}-1", "instance": hash_, "code": "200"},
            "values": [[one, str(round(100 * (one - START)))] for one in times if one <= at],
        }
        for hash_ in (asked[2], asked[3])
    ]
    return orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def body_of(query: str, at: float) -> bytes:
    """The body of the answer to a query."""
    if body := _honest(query, at):
        return body
    if query.startswith("values"):
        return _VALUES
    kind = "long" if "long" in query else next(kind for kind in SERIES if kind in query or kind == "few")
    if kind not in _BODIES:
        _BODIES[kind] = _body(kind, ("g-new-", "g-old-"))
    return _matrix(kind, at)


async def _answer(request: web.Request) -> web.Response:
    form = await request.post()
    query = str(form["query"])
    if "slow" in query:
        await asyncio.sleep(60)
    body = body_of(query, float(str(form["time"])))
    return web.Response(body=body, content_type="application/json")


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/api/v1/query", _answer)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
