"""The simulator as a process, used as a person or a script does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from serinus_simulator.server import Server, listen
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.world import World

from tests.forked import ended
from tests.servers import wait_until

SCENARIO = """
prometheus: {scrape_interval: 100ms}
rollouts:
- name: checkout
  namespace: shop
  steps: [{setWeight: 5}, {pause: {}}, {setWeight: 50}, {pause: {}}]
  traffic: {requests_per_second: 10000, error_rate: 0.01}
"""


@contextmanager
def process(tmp_path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    scenario = tmp_path / "world.yaml"
    scenario.write_text(SCENARIO, "utf-8")
    command = [sys.executable, "-m", "serinus_simulator", str(scenario), *options]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line, running.stderr and running.stderr.read()
        yield running, json.loads(line)
    finally:
        if running.poll() is None:
            running.terminate()
        running.communicate(timeout=60)


def wait_for_phase(client: httpx.Client, phase: str) -> dict[str, Any]:
    rollout: dict[str, Any] = {}

    def reached() -> bool:
        rollout.update(client.get("/world/rollouts").json()["rollouts"][0])
        return rollout.get("phase") == phase

    wait_until(reached, 60, f"the phase {phase}")
    return rollout


def test_a_release_is_promoted_and_its_counts_are_answered_as_prometheus_would(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("kubeconfig", "prometheus.yml", "truth.jsonl", "ready")}
    options = (
        *("--kubeconfig", str(files["kubeconfig"])),
        *("--prometheus-config", str(files["prometheus.yml"])),
        *("--truth", str(files["truth.jsonl"])),
        *("--ready-file", str(files["ready"])),
        *("--seed", "7"),
    )
    with process(tmp_path, *options) as (running, address), httpx.Client(base_url=address["url"], timeout=60) as client:
        assert json.loads(files["ready"].read_text("utf-8")) == address
        assert address["pid"] == running.pid
        assert address["url"] in files["kubeconfig"].read_text("utf-8")
        (job,) = yaml.safe_load(files["prometheus.yml"].read_text("utf-8"))["scrape_configs"]
        assert job["http_sd_configs"][0]["url"] == f"{address['url']}/sd"
        wait_for_phase(client, "Healthy")
        client.post("/world/release", json={"namespace": "shop", "name": "checkout", "image": "x:v2"})
        paused = wait_for_phase(client, "Paused")
        query = f'http_requests_total{{rollouts_pod_template_hash="{paused["canary_hash"]}"}}[1m]'

        def scraped_twice() -> bool:
            answer = httpx.post(f"{address['prometheus']}/api/v1/query", data={"query": query}, timeout=60).json()
            assert answer["data"]["resultType"] == "matrix"
            result = answer["data"]["result"]
            return bool(result) and all(len(one["values"]) >= 2 for one in result)

        wait_until(scraped_twice, 60, "two samples of each of the canary's series")
        page = client.get(f"/pods/shop/{paused['pods'][0]['name']}/metrics").text
        names = {family.name for family in text_string_to_metric_families(page)}
        assert names == {"http_requests", "http_request_duration_seconds"}
    told = [json.loads(line) for line in files["truth.jsonl"].read_text("utf-8").splitlines()]
    assert {one["by"].split("/")[0] for one in told} == {"simulator", "python-httpx"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_cleanly_with_watches_open(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (running, address):
        path = f"{address['kubernetes']}/apis/argoproj.io/v1alpha1/rollouts?watch=true"
        with httpx.stream("GET", path, timeout=60) as watching:
            lines = watching.iter_lines()
            assert json.loads(next(lines))["type"] == "ADDED"
            running.send_signal(number)
            assert list(lines) is not None
        assert running.wait(timeout=60) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""


def simulator(*arguments: str) -> subprocess.CompletedProcess[str]:
    return ended("serinus_simulator", *arguments, environment=os.environ)


def test_a_wrong_scenario_is_refused_with_its_place_and_exit_code_2(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text("rollouts:\n- nam: checkout\n", "utf-8")
    said = simulator(str(scenario))
    assert said.returncode == 2
    assert f"{scenario}:2:3: rollouts.0.nam: unknown field; did you mean name?" in said.stderr.splitlines()


def test_a_port_that_is_taken_is_said_with_exit_code_1(tmp_path: Path) -> None:
    with process(tmp_path) as (_, address):
        port = address["url"].rsplit(":", 1)[1]
        said = simulator(str(tmp_path / "world.yaml"), "--port", port)
    assert said.returncode == 1
    assert "Address already in use" in said.stderr


def test_help_shows_an_example() -> None:
    said = simulator("--help")
    assert said.returncode == 0
    assert "serinus-simulator examples/demo.yaml --port 9099" in said.stdout


def test_a_world_whose_time_stops_ends_its_server_with_the_cause() -> None:
    async def use() -> None:
        world = World(Scenario())
        world.agenda.after(0.05, lambda: 1 // 0)
        running = asyncio.create_task(Server(world).serve(sockets=[listen()]))
        ended, _ = await asyncio.wait({running}, timeout=60)
        assert ended
        await running

    with pytest.raises(ZeroDivisionError):
        asyncio.run(use())
