from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serinus_simulator.configs import kubeconfig, prometheus_config

from tests.unit.simulator.web import Web, run
from tests.unit.simulator.worlds import Handled


def test_the_world_tells_its_clock_its_scenario_and_its_rollouts() -> None:
    async def use(web: Web) -> None:
        world = (await web.get("/world")).json()
        assert world["elapsed"] == pytest.approx(5.0)
        assert world["scenario"]["rollouts"][0]["name"] == "checkout"
        (rollout,) = world["rollouts"]
        assert (rollout["phase"], rollout["step"], rollout["steps"], rollout["weight"]) == ("Healthy", 6, 6, 0)
        assert rollout["canary_hash"] is None
        assert rollout["run"] is None
        assert [pod["arm"] for pod in rollout["pods"]] == ["stable"] * 4

    run(use)


def test_a_release_on_command_is_a_run_whose_exposed_requests_are_counted() -> None:
    async def use(web: Web) -> None:
        body = {"namespace": "shop", "name": "checkout", "image": "x:v2"}
        answer = await web.client.post("/world/release", json=body)
        assert answer.json() == {"generation": 3}
        web.handled.advance(100)
        (rollout,) = (await web.get("/world/rollouts")).json()["rollouts"]
        assert rollout["weight"] == 5
        assert rollout["run"]["number"] == 1
        assert rollout["run"]["hash"] == rollout["canary_hash"]
        assert rollout["run"]["canary"]["requests"] == pytest.approx(5000, rel=0.2)
        assert rollout["run"]["stable"]["requests"] == pytest.approx(95_000, rel=0.05)
        assert rollout["served"][rollout["canary_hash"]] == rollout["run"]["canary"]

    run(use)


def test_the_exposed_requests_of_a_run_stand_still_when_it_has_ended() -> None:
    async def use(web: Web) -> None:
        web.handled.release()
        web.handled.advance(20)
        web.handled.set_status(promoteFull=True)
        web.handled.advance(5)
        (rollout,) = (await web.get("/world/rollouts")).json()["rollouts"]
        web.handled.advance(50)
        (later,) = (await web.get("/world/rollouts")).json()["rollouts"]
        assert rollout["run"] == later["run"]
        assert rollout["run"]["ended"] > rollout["run"]["started"]
        assert later["served"] != rollout["served"]

    run(use)


def test_a_world_with_retries_and_sessions_tells_them_of_each_arm() -> None:
    traffic = {"requests_per_second": 1000, "error_rate": 0.05}
    handled = Handled(traffic=traffic, noise={"retries": {}}, sessions={"lag": "1s"}, container={})

    async def use(web: Web) -> None:
        web.handled.release()
        web.handled.advance(20)
        (rollout,) = (await web.get("/world/rollouts")).json()["rollouts"]
        for arm in ("canary", "stable"):
            told = rollout["run"][arm]
            assert list(told) == ["requests", "errors", "retries", "sessions", "conversions"]
            assert told["requests"] > told["errors"] > told["retries"] > 0
            assert told["sessions"] > told["conversions"] > 0
        assert rollout["lost_conversions"] == 0
        totals = [sum(one[key] for one in rollout["served"].values()) for key in ("sessions", "conversions")]
        scrapes = {scrape["pod"]: scrape["totals"] for scrape in map(json.loads, (await truth(web)).splitlines())}
        assert 0 <= totals[0] - sum(one["user_sessions_total"] for one in scrapes.values()) < 500

    run(use, handled)


async def truth(web: Web) -> str:
    """The truth of pages that are not cAdvisor's."""
    lines = (await web.get("/world/truth")).text.splitlines()
    return "\n".join(line for line in lines if '"by":"simulator"' in line)


def test_a_real_prometheus_finds_a_page_of_the_pod_and_one_of_its_container() -> None:
    async def use(web: Web) -> None:
        groups = (await web.get("/sd")).json()
        paths = {group["labels"]["__metrics_path__"].rsplit("/", 1)[1] for group in groups}
        assert paths == {"metrics", "cadvisor"}
        for group in groups:
            answer = await web.get(group["labels"]["__metrics_path__"])
            families = {family.name for family in text_string_to_metric_families(answer.text)}
            expected = "container_spec_cpu_quota" if group["labels"]["job"] == "kubelet" else "http_requests"
            assert expected in families
        assert (await web.get("/pods/shop/none/cadvisor")).status_code == 404

    run(use, Handled(traffic={"requests_per_second": 100}, container={}))


def test_a_pod_is_restarted_by_name_or_by_arm_and_number() -> None:
    async def use(web: Web) -> None:
        by_arm = {"namespace": "shop", "rollout": "checkout", "arm": "stable", "number": 1}
        first = (await web.client.post("/world/restart-pod", json=by_arm)).json()["pod"]
        other = next(name for name in web.handled.app.pods if name != first)
        await web.client.post("/world/restart-pod", json={"namespace": "shop", "pod": other})
        web.handled.advance(3)
        (rollout,) = (await web.get("/world/rollouts")).json()["rollouts"]
        assert {pod["name"] for pod in rollout["pods"] if pod["restarts"] == 1} == {first, other}
        assert all(pod["ready"] for pod in rollout["pods"])

    run(use)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/world/release", {"namespace": "shop", "name": "missing", "image": "x"}, 404),
        ("/world/release", {"namespace": "shop"}, 400),
        ("/world/restart-pod", {"namespace": "shop", "pod": "missing"}, 404),
        ("/world/restart-pod", {"namespace": "shop", "rollout": "checkout", "arm": "canary"}, 404),
        ("/world/restart-pod", {"pods": "a"}, 400),
    ],
)
def test_commands_that_cannot_be_carried_out_are_refused(path: str, body: dict[str, str], code: int) -> None:
    async def use(web: Web) -> None:
        assert (await web.client.post(path, json=body)).status_code == code

    run(use)


def test_a_page_that_somebody_else_reads_is_told_with_who_read_it() -> None:
    async def use(web: Web) -> None:
        name = next(iter(web.handled.app.pods))
        headers = {"user-agent": "Prometheus/3.7.0"}
        answer = await web.client.get(f"/pods/shop/{name}/metrics", headers=headers)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        shown = {
            sample.labels.get("code"): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if family.name == "http_requests"
        }
        lines = (await web.get("/world/truth", namespace="shop")).text.splitlines()
        told = json.loads(lines[-1])
        assert (told["by"], told["pod"], told["ok"]) == ("Prometheus/3.7.0", name, True)
        assert told["values"]['http_requests_total{code="200"}'] == shown["200"]
        assert (await web.get("/pods/shop/missing/metrics")).status_code == 404

    run(use)


def test_truth_is_read_from_a_time_on() -> None:
    async def use(web: Web) -> None:
        everything = (await web.get("/world/truth")).text.splitlines()
        middle = json.loads(everything[len(everything) // 2])["time"]
        later = (await web.get("/world/truth", since=middle)).text.splitlines()
        assert 0 < len(later) < len(everything)
        assert all(json.loads(line)["time"] > middle for line in later)
        assert (await web.get("/world/truth", since="soon")).status_code == 400

    run(use)


def test_discovery_gives_a_real_prometheus_addresses_paths_and_labels() -> None:
    async def use(web: Web) -> None:
        groups = (await web.get("/sd")).json()
        assert len(groups) == 4
        for group in groups:
            assert group["targets"] == ["simulator:9"]
            labels = group["labels"]
            assert labels["__metrics_path__"] == f"/pods/shop/{labels['pod']}/metrics"
            assert labels["rollouts_pod_template_hash"] == web.handled.status["stableRS"]
            assert (labels["namespace"], labels["service"]) == ("shop", "checkout")
            assert labels["instance"].endswith(":8080")

    run(use)


def test_configurations_point_at_the_address() -> None:
    assert "server: http://127.0.0.1:9099" in kubeconfig("http://127.0.0.1:9099")
    written = prometheus_config("http://127.0.0.1:9099", 0.5)
    assert "scrape_interval: 500ms" in written
    assert "url: http://127.0.0.1:9099/sd" in written
