"""A simulated world as a process, for tests that need a cluster and a Prometheus, and services to run against it."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from serinus.demo.processes import ManagedProcess, ProcessGroup
from serinus_contracts import Keys

from tests.forked import forked_group
from tests.servers import wait_until

GATED: list[dict[str, Any]] = [
    {"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}},
]  # fmt: skip
EDGES = {"from": "5ms", "to": "5s", "ratio": 1.2}


def rollout(name: str = "checkout", **other: Any) -> dict[str, Any]:
    """A rollout of a scenario: much traffic, so that little time shows much."""
    fields = {
        "name": name,
        "namespace": "shop",
        "replicas": 3,
        "steps": GATED,
        "traffic": {"requests_per_second": 10_000, "error_rate": 0.002, "latency": {"p50": "60ms", "p99": "400ms"}},
        "metrics": {"edges": EDGES},
    }
    return fields | other


def scenario(*rollouts: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"seed": 1, "prometheus": {"scrape_interval": "500ms"}, "rollouts": list(rollouts), **other}


@dataclass
class World:
    """The simulator's process and what tests do to it."""

    children: ProcessGroup
    url: str
    namespace: str = "shop"

    @property
    def kubeconfig(self) -> Path:
        return self.children.folder / "kubeconfig"

    @property
    def truth(self) -> Path:
        return self.children.folder / "truth.jsonl"

    def fault(self, **fault: Any) -> int:
        """Make something go wrong; gives the number to take it back by."""
        answer = self._send("POST", "/world/faults", json=[fault])
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["faults"][0]["id"]
        return number

    def heal(self) -> None:
        self._send("DELETE", "/world/faults").raise_for_status()

    def release(self, name: str = "checkout", tag: str = "v2") -> None:
        body = {"namespace": self.namespace, "name": name, "image": f"registry.example.com/shop/{name}:{tag}"}
        self._send("POST", "/world/release", json=body).raise_for_status()

    def rollout(self, name: str = "checkout") -> dict[str, Any]:
        """The Rollout's object."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/rollouts/{name}"
        found: dict[str, Any] = self._send("GET", path).raise_for_status().json()
        return found

    def status(self, name: str = "checkout") -> dict[str, Any]:
        status: dict[str, Any] = self.rollout(name).get("status", {})
        return status

    def patch(self, patch: list[dict[str, Any]] | dict[str, Any], name: str = "checkout", part: str = "") -> int:
        """JSON patch (a list) or merge patch, as an operator sends it; gives the answer's code."""
        kind = "json-patch" if isinstance(patch, list) else "merge-patch"
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/rollouts/{name}{part}"
        headers = {"content-type": f"application/{kind}+json"}
        return self._send("PATCH", path, content=json.dumps(patch), headers=headers).status_code

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=60, **options)

    def wait_for_pause(self, step: int, name: str = "checkout", seconds: float = 60) -> None:
        def paused() -> bool:
            status = self.status(name)
            return status.get("currentStepIndex") == step and bool(status.get("pauseConditions"))

        wait_until(paused, seconds, f"{name} to pause at step {step}")

    def settings(self, redis_url: str, keys: Keys, policies: Path) -> dict[str, str]:
        """The environment of a service in this world: looks of a second, clocks of one machine."""
        return {
            "SERINUS_REDIS_URL": redis_url,
            "SERINUS_REDIS_TAG": keys.tag,
            "SERINUS_HTTP_PORT": "0",
            "SERINUS_PROVIDERS": f"main={self.url}/prometheus",
            "SERINUS_QUERY_TIMEOUT": "2",
            "SERINUS_CLOCK_ALLOWANCE": "0.2",
            "KUBECONFIG": str(self.kubeconfig),
            "SERINUS_POLICIES": str(policies),
            "SERINUS_POLL": "1",
            "SERINUS_API_TIMEOUT": "2",
            "SERINUS_LEASE_DURATION": "3",
        }


@contextmanager
def simulated(
    folder: Path,
    wanted: dict[str, Any],
    *arguments: str,
    group: Callable[[Path], AbstractContextManager[ProcessGroup]] = forked_group,
) -> Iterator[World]:
    """A world that ends with the test, and with it every process that the test started in its group.

    `group`: `process_group` where what a process imports counts, such as its memory, or what it is started under.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.yaml").write_text(yaml.safe_dump(wanted))
    ready = folder / "ready.json"
    with group(folder) as children:
        options = ["--ready-file", str(ready), "--kubeconfig", str(folder / "kubeconfig")]
        options += ["--truth", str(folder / "truth.jsonl"), *arguments]
        child = children.start("simulator", "serinus_simulator", str(folder / "scenario.yaml"), *options)

        def started() -> bool:
            assert not child.exited, child.log_tail()
            return ready.exists() and bool(ready.read_text().strip())

        wait_until(started, 60, "the simulator to start")
        yield World(children, json.loads(ready.read_text())["url"])


def start_services(world: World, environment: dict[str, str], *names: str) -> dict[str, ManagedProcess]:
    """Services by name; `analyzer-2` is a second analyzer."""
    return {
        name: world.children.start(name, f"serinus_{name.partition('-')[0]}", **environment)
        for name in names or ("collector", "analyzer", "controller")
    }
