"""`serinus doctor` and `serinus init` where all is well, and with each thing broken that they are there to find."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_rollouts.policy_documents import load_text

from tests.integration.cli.command import assert_golden, serinus
from tests.servers import free_port, sampled, wait_until
from tests.simulated import World, rollout, scenario, simulated

pytestmark = pytest.mark.timeout(300)
POLICY: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "CanaryPolicy",
    "metadata": {"name": "shop"},
    "spec": {"match": {"namespace": "shop"}, "metrics": [{"name": "errors", "preset": "http-errors"}]},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two Rollouts with traffic: of checkout the canary is under way."""
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "shop.yaml").write_text(yaml.safe_dump(POLICY))
    ungated = rollout("ungated", steps=[{"setWeight": 5}, {"pause": {"duration": "10m"}}])
    with simulated(folder, scenario(rollout(), ungated)) as made:
        made.release()
        made.wait_for_pause(1)
        canary = f'http_requests_total{{pod=~"checkout-{made.status()["currentPodHash"]}.*"}}[10s]'

        def scraped() -> bool:
            return any(len(row["values"]) > 4 for row in sampled(f"{made.url}/prometheus", canary))

        wait_until(scraped, 30, "the canary to be scraped often enough to tell how often")
        yield made


def examine(world: World, redis_url: str, *more: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Exit code, and by name the state of each check, what it said and how to fix it."""
    folder = str(world.children.folder / "shop.yaml")
    options = ("--prometheus", f"{world.url}/prometheus", "--policies", folder, "-o", "json", "-n", "shop")
    where = {"KUBECONFIG": str(world.kubeconfig), "SERINUS_REDIS_URL": redis_url}
    shown = serinus("doctor", *options, *more, **where)
    found = {one["name"]: (one["state"], one["said"], one["fix"]) for one in json.loads(shown.stdout)}
    return shown.returncode, found


def test_a_store_of_sums_is_measured_by_the_collectors_own_code(world: World, redis_url: str, tmp_path: Path) -> None:
    keys = {"DD-API-KEY": {"secrets": ["of-api"]}, "DD-APPLICATION-KEY": {"secrets": ["of-application"]}}
    datadog = {"url": f"{world.url}/datadog", "api": "datadog", "period": 1, "delay": 2, "http_headers": keys}
    file, policy = tmp_path / "providers.yaml", tmp_path / "policy.yaml"
    (tmp_path / "empty").touch()
    other = datadog | {"http_headers": keys | {"DD-API-KEY": {"files": ["empty"]}}}
    file.write_text(yaml.safe_dump({"providers": {"main": datadog, "other": other}}))
    metric = {"name": "errors", "events": 'http_requests_total{code="500"}', "trials": "http_requests_total"}
    where = {"KUBECONFIG": str(world.kubeconfig), "SERINUS_REDIS_URL": redis_url, "SERINUS_PROVIDERS_FILE": str(file)}

    def checks(name: str = "main", target: str = "checkout", **spec: Any) -> dict[str, tuple[str, str]]:
        spec = {**POLICY["spec"], "source": {"preset": "datadog"}, "metrics": [metric], **spec}
        policy.write_text(yaml.safe_dump({**POLICY, "spec": spec}))
        options = ("--policies", str(policy), "--prometheus", name, "-o", "json", "-n", "shop")
        shown = serinus("doctor", target, *options, **where)
        return {one["name"]: (one["state"], one["said"]) for one in json.loads(shown.stdout)}

    found: dict[str, tuple[str, str]] = {}

    def counted() -> bool:
        found.update(checks())
        return found["metric errors"][0] == "ok"

    wait_until(counted, 60, "ten periods of the canary to be closed")
    assert found["datadog"][0] == "ok"
    assert found["datadog"][1].endswith("answers queries; a period of 1 s is counted 2 s after it")
    assert re.fullmatch(r"canary [\d.]+ % of [\d,]+, stable [\d.]+ % of [\d,]+ in 10 s", found["metric errors"][1])
    assert checks(target="ungated")["metric errors"][1].startswith("stable ")
    never = metric | {"name": "never", "events": "http_errors_total"}
    nobody = metric | {"name": "nobody", "trials": "no_such_total"}
    gauge = metric | {"name": "gauge", "events": "some_gauge"}
    wrong = checks(metrics=[never, nobody, gauge])
    assert wrong["metric gauge"] == ("failed", "Datadog says that some_gauge is a gauge, whose sums are no counts")
    assert wrong["metric never"][0] == "warning"
    assert "a snapshot says no_data: no canary data" in wrong["metric nobody"][1]
    assert "HTTP 403, Forbidden" in checks("other")["datadog"][1]
    kind = checks(source={"preset": "pod-name"}, metrics=POLICY["spec"]["metrics"])["provider"]
    speaks = "provider main speaks datadog, and the policy's source is for prometheus: write preset datadog"
    assert kind == ("failed", speaks)
    proposed = serinus("init", "checkout", "-n", "shop", **where)
    assert (proposed.returncode, "speaks datadog and no PromQL" in proposed.stderr) == (1, True)


def test_a_provider_of_the_collectors_file_is_reached_as_by_the_collector_which_identity_it_has_is_told(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    aws = {"sigv4": {"region": "eu-west-1"}}
    main = {"url": f"{world.url}/prometheus"}
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"main": main, "managed": main | aws}}))
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "planted", "AWS_EC2_METADATA_DISABLED": "true"}
    where = {"KUBECONFIG": str(world.kubeconfig), "SERINUS_REDIS_URL": redis_url, "SERINUS_PROVIDERS_FILE": str(file)}

    def checks(*options: str, **more: str) -> dict[str, tuple[str, str]]:
        shown = serinus("doctor", "-o", "json", "-n", "shop", *options, **where, **more)
        assert "planted" not in shown.stdout + shown.stderr
        return {one["name"]: (one["state"], one["said"]) for one in json.loads(shown.stdout)}

    found = checks()
    assert found["prometheus"] == ("ok", f"main at {world.url}/prometheus answers queries")
    assert "sign-in" not in found
    signed = checks("--prometheus", "managed", **keys)
    assert signed["sign-in"] == ("ok", "AWS access key AKIAEXAMPLE, by the environment, in eu-west-1")
    assert signed["prometheus"][0] == "ok"
    alone = checks("--prometheus", "managed", AWS_EC2_METADATA_DISABLED="true", HOME=str(tmp_path))
    assert alone["sign-in"][0] == "failed"
    assert alone["sign-in"][1].startswith("no AWS credentials were found (tried the environment")


def test_replay_takes_the_past_of_a_provider_of_the_collectors_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"managed": {"url": f"{world.url}/prometheus"}}}))
    status = world.status()
    hashes = ("--canary-hash", status["currentPodHash"], "--stable-hash", status["stableRS"])
    options = ("--prometheus", "managed", "--providers-file", str(file), "--from", "-9s", "--to", "-1s", "--stage", "5")
    (tmp_path / "shop.yaml").write_text(
        yaml.safe_dump(POLICY | {"spec": {**POLICY["spec"], "interval": "1s", "settle": "1s"}})
    )
    policy = str(tmp_path / "shop.yaml")
    shown = serinus("replay", policy, "shop/checkout", *options, *hashes, "-o", "json")
    assert shown.returncode in (0, 3, 4), shown.stderr
    assert json.loads(shown.stdout)
    wrong = serinus("replay", policy, "shop/checkout", *options, *hashes, "--prometheus", "other")
    assert f"{file} has no provider other, only managed" in shown.stderr + wrong.stderr


def test_where_all_is_well_each_metric_is_shown_with_the_counts_of_both_arms(world: World, redis_url: str) -> None:
    code, found = examine(world, redis_url, "checkout")
    assert (code, [name for name, one in found.items() if one[0] == "failed"]) == (0, [])
    assert found["rollout"][1] == "shop/checkout is releasing, gates at 5 %, 25 %, 50 %"
    assert found["cluster rights"][0] == "ok"
    state, said, _ = found["metric errors"]
    assert state == "ok"
    assert "canary " in said
    assert "scraped every 0.5 s" in said
    assert "errors: worse is seen from " in found["power at 50 %"][1]


def test_what_doctor_and_init_print_is_as_it_was_but_for_the_numbers(world: World, redis_url: str) -> None:
    where = {"KUBECONFIG": str(world.kubeconfig), "SERINUS_REDIS_URL": redis_url, "COLUMNS": "80"}
    prometheus = ("--prometheus", f"{world.url}/prometheus")
    policies = ("--policies", str(world.children.folder / "shop.yaml"))
    text = ""
    for command in (["doctor", "shop/checkout", *policies], ["doctor", "-n", "nowhere"], ["init", "shop/checkout"]):
        shown = serinus(*command, *prometheus, **where)
        assert command[0] == "init" or max(map(len, shown.stdout.splitlines())) <= 80
        text += f"$ serinus {' '.join(command)}\n{shown.stdout}{shown.stderr}\n"
    text = text.replace(str(world.children.folder), "FOLDER").replace("Valkey", "Redis")
    # Where lines are broken, and how far they are filled, is up to the numbers.
    text = re.sub(r" +$", "", re.sub(r" *\n {20} *", " ", text), flags=re.MULTILINE)
    text = re.sub(r"[0-9]+([.,][0-9]+)*", "N", text)
    assert_golden("doctor", re.sub(r"(?<=after|ithin)( N (?:d|h|min|s))+", " TIME", text))


def test_a_redis_that_is_not_there_is_a_failure_with_the_way_out(world: World) -> None:
    code, found = examine(world, f"redis://me:hidden@127.0.0.1:{free_port()}/0")
    assert (code, found["redis"][0]) == (1, "failed")
    assert "--redis-url" in found["redis"][2]
    assert "hidden" not in found["redis"][1]


def test_rights_that_lack_are_named(world: World, redis_url: str) -> None:
    world.fault(target="kubernetes", effect="status", code=403, resources=["rollouts/status"], verbs=["patch"])
    try:
        code, found = examine(world, redis_url)
    finally:
        world.heal()
    assert (code, found["cluster rights"][:2]) == (1, ("failed", "in shop you may not patch rollouts/status"))


def test_a_metric_that_is_not_there_is_told_from_one_whose_labels_do_not_split_the_arms(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    metrics = [
        {"name": "errors", "preset": "http-errors"},
        {"name": "other", "preset": "http-latency", "metric": "no_such_seconds_bucket"},
    ]
    spec = {**POLICY["spec"], "source": {"label": "instance_id"}, "metrics": metrics}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**POLICY, "spec": spec}))
    code, found = examine(world, redis_url, "checkout", "--policies", str(tmp_path))
    assert code == 1
    assert found["metric other"][1] == "Prometheus has no series of no_such_seconds_bucket"
    assert "series of http_requests_total, none of either arm by" in found["metric errors"][1]
    assert "instance_id is looked for; there are " in found["metric errors"][2]
    assert "pod" in found["metric errors"][2]


def test_a_rollout_without_gates_or_policy_or_that_is_not_there_is_said(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    _, found = examine(world, redis_url, "ungated")
    assert found["rollout"][0] == "warning"
    assert "Argo goes on by itself at 5 %" in found["rollout"][1]
    code, found = examine(world, redis_url, "checkout", "--policies", str(tmp_path))
    assert (code, found["policy"][2]) == (1, "serinus init shop/checkout > policies/checkout.yaml writes a first one")
    code, found = examine(world, redis_url, "nothere")
    assert (code, found["rollout"][1]) == (1, "there is no Rollout shop/nothere")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/verdict"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "state", "said"),
    [
        (200, b'{"verdict": "hold"}', "ok", "says hold"),
        (200, b"<html>log in</html>", "failed", "answered 200 without a verdict"),
        (200, b'["proceed"]', "failed", "answered 200 without a verdict"),
        (404, b"", "failed", "answered 404"),
    ],
)
def test_a_verdict_endpoint_that_argo_would_take_for_a_success_is_found(
    world: World, redis_url: str, status: int, body: bytes, state: str, said: str
) -> None:
    with answering(status, body) as url:
        code, found = examine(world, redis_url, "--verdict-url", url)
    assert (code, found["verdict endpoint"][0]) == (int(state == "failed"), state)
    assert said in found["verdict endpoint"][1]


def test_init_writes_a_policy_that_is_right_and_judges_what_is_there(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    prometheus = ("--prometheus", f"{world.url}/prometheus")
    shown = serinus("init", "shop/checkout", *prometheus, KUBECONFIG=str(world.kubeconfig))
    assert shown.returncode == 0, shown.stderr
    (policy,) = load_text(shown.stdout, "policy")
    assert (policy.spec.mode, policy.spec.source.preset) == ("shadow", "pod-name")
    assert [metric.name for metric in policy.spec.metrics][:2] == ["errors", "latency"]
    (tmp_path / "checkout.yaml").write_text(shown.stdout)
    code, _ = examine(world, redis_url, "checkout", "--policies", str(tmp_path))
    assert code == 0


def test_init_takes_a_manifest_instead_of_the_cluster(world: World, tmp_path: Path) -> None:
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}]}}},
    }
    (tmp_path / "rollout.yaml").write_text(yaml.safe_dump(manifest))
    prometheus = ("--prometheus", f"{world.url}/prometheus")
    shown = serinus("init", str(tmp_path / "rollout.yaml"), *prometheus, KUBECONFIG=str(tmp_path / "none"))
    assert shown.returncode == 0, shown.stderr
    (policy,) = load_text(shown.stdout, "policy")
    assert (policy.spec.source.preset, [metric.preset for metric in policy.spec.metrics][:2]) == (
        "pod-name",
        ["http-errors", "http-latency"],
    )
