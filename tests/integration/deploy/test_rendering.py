"""The chart as helm renders it: pods that need no privilege, and files that the services can read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_collecting.providers import read_providers
from serinus_notifier.adapters.config_file import read as read_notifications
from serinus_runtime.settings import PREFIX

from tests.helm import rendered
from tools.chart import SERVICES

ROOT = Path(__file__).parents[3]
VALUES: dict[str, Any] = {
    "policies": {"shop.yaml": "kind: CanaryPolicy"},
    "policyConfigMaps": ["given-policies"],
    "prometheus": {
        "providers": {
            "main": {
                "url": "https://mimir.example.com",
                "basic_auth": {"username": "u", "password_file": "password"},
                "namespaces": ["shop", "pay-*"],
            },
            "other": {"url": "https://thanos.example.com"},
        },
        "secrets": ["given-mimir"],
    },
    "redis": {"tlsSecret": "given-ca"},
    "notifier": {
        "enabled": True,
        "envSecret": "given-tokens",
        "notifications": yaml.safe_load((ROOT / "examples" / "notifications.yaml").read_text()),
    },
}
Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES))
    return by_name(rendered("-f", str(file)))


def by_name(made: list[dict[str, Any]]) -> Objects:
    return {(one["kind"], one["metadata"]["name"]): one for one in made}


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix("serinus-"): one["spec"]["template"]
        for (kind, name), one in objects.items()
        if kind in ("Deployment", "StatefulSet")
    }


def test_every_service_has_a_pod(objects: Objects) -> None:
    assert set(pods(objects)) == {*SERVICES, "redis"}


def test_every_pod_keeps_to_the_restricted_pod_security_standard(objects: Objects) -> None:
    for name, pod in pods(objects).items():
        of_pod = pod["spec"]["securityContext"]
        assert of_pod["runAsNonRoot"] is True, name
        assert of_pod["runAsUser"] > 0, name
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"]), name
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert not any("hostPort" in port for port in container["ports"]), name
        kinds = {kind for volume in pod["spec"].get("volumes", ()) for kind in volume} - {"name"}
        assert kinds <= {"configMap", "emptyDir", "projected", "secret"}, name


PROXY: dict[str, Any] = {
    "console": {"auth": "proxy", "env": {"SERINUS_TRUSTED_PROXIES": "10.1.2.3"}},
    "networkPolicy": {
        "enabled": True,
        "consoleClients": [{"podSelector": {"matchLabels": {"app": "proxy"}}}],
        "egress": {"apiServer": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]},
    },
    "notifier": VALUES["notifier"],
}


def test_only_controller_and_console_get_a_token_and_the_console_only_to_ask_who_somebody_is(tmp_path: Path) -> None:
    asking = {"controller", "console"}
    for auth, given, roles in (
        ("kubernetes", asking, ["system:auth-delegator"]),
        ("proxy", asking, ["system:auth-delegator"]),
        ("none", {"controller"}, []),
    ):
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(PROXY if auth == "proxy" else {"console": {"auth": auth}}))
        made = by_name(rendered("-f", str(tmp_path / "values.yaml")))
        mounted = {name for name, pod in pods(made).items() if pod["spec"]["automountServiceAccountToken"]}
        bound = [one for one in made.values() if one.get("subjects", [{}])[0].get("name") == "serinus-console"]
        assert (mounted, [one["roleRef"]["name"] for one in bound]) == (given, roles), auth


def test_with_network_policies_the_proxy_alone_reaches_the_console_and_each_service_goes_only_where_it_has_to(
    tmp_path: Path,
) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(PROXY))
    made = by_name(rendered("-f", str(tmp_path / "values.yaml")))
    policies = {name.removeprefix("serinus-"): one["spec"] for (kind, name), one in made.items() if "Policy" in kind}
    clients = PROXY["networkPolicy"]["consoleClients"]
    assert policies["console"]["ingress"] == [{"from": clients, "ports": [{"port": "http"}]}]
    (but,) = policies["services"]["podSelector"]["matchExpressions"]
    assert (but["operator"], but["values"]) == ("NotIn", ["redis", "console"])

    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    redis = {"to": [{"podSelector": policies["redis"]["podSelector"]}], "ports": [{"port": "redis"}]}
    api = {"to": PROXY["networkPolicy"]["egress"]["apiServer"], "ports": [{"port": 443}, {"port": 6443}]}
    anywhere: dict[str, Any] = {"to": []}
    beside = {"collector": [anywhere], "notifier": [anywhere], "controller": [api], "console": [api], "analyzer": []}
    for name, more in beside.items():
        assert "Egress" in policies[name]["policyTypes"], name
        assert policies[name]["egress"] == [dns, redis, *more], name
    assert policies["redis"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policies["redis"], "it goes nowhere"


def test_every_setting_that_a_pod_is_given_is_one_of_its_service(objects: Objects) -> None:
    for name, kind in SERVICES.items():
        (container,) = pods(objects)[name]["spec"]["containers"]
        given = {one["name"] for one in container["env"]}
        assert given <= {f"{PREFIX}{field.upper()}" for field in kind.model_fields}, name


def test_every_config_map_and_secret_that_a_pod_names_is_there_or_given(objects: Objects) -> None:
    def named(node: Any) -> set[tuple[str, str]]:
        if isinstance(node, list):
            return set().union(*map(named, node))
        if not isinstance(node, dict):
            return set()
        kinds = {"configMap": "ConfigMap", "secret": "Secret", "secretKeyRef": "Secret", "secretRef": "Secret"}
        here = {(kinds[key], one.get("name") or one["secretName"]) for key, one in node.items() if key in kinds}
        return here.union(*map(named, node.values()))

    missing = {one for pod in pods(objects).values() for one in named(pod)} - set(objects)
    assert missing == {
        ("ConfigMap", "given-policies"), ("Secret", "given-mimir"), ("Secret", "given-ca"), ("Secret", "given-tokens"),
    }  # fmt: skip


def test_the_collector_reads_its_providers_with_secrets_beside_them(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "providers.yaml").write_text(objects["Secret", "serinus-providers"]["stringData"]["providers.yaml"])
    (tmp_path / "password").write_text("secret")
    found = read_providers(tmp_path / "providers.yaml")
    assert found["main"].basic_auth is not None
    assert found["main"].basic_auth.password_file == tmp_path / "password"
    (controller,) = pods(objects)["controller"]["spec"]["containers"]
    given = {one["name"]: one.get("value", "") for one in controller["env"]}["SERINUS_PROVIDER_NAMESPACES"]
    assert json.loads(given) == {name: list(one.namespaces) for name, one in found.items() if one.namespaces}


IDENTITY: dict[str, Any] = {
    "collector": {
        "serviceAccount": {
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/serinus"},
            "labels": {"team": "shop"},
        },
        "podLabels": {"azure.workload.identity/use": "true"},
        "env": {"AWS_REGION": "eu-west-1", "ZONE": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}},
        "volumes": [{"name": "federation", "configMap": {"name": "google"}}],
        "volumeMounts": [{"name": "federation", "mountPath": "/etc/google", "readOnly": True}],
    }
}


def test_the_collector_carries_the_identity_that_a_cloud_knows_it_by_and_no_other_service_does(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(IDENTITY))
    given = IDENTITY["collector"]
    made = by_name(rendered("-f", str(tmp_path / "values.yaml")))
    account = made["ServiceAccount", "serinus-collector"]["metadata"]
    assert account["annotations"] == given["serviceAccount"]["annotations"]
    assert account["labels"].items() >= {"team": "shop", "app.kubernetes.io/component": "collector"}.items()
    pod = pods(made)["collector"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    (container,) = pod["spec"]["containers"]
    assert {"name": "AWS_REGION", "value": "eu-west-1"} in container["env"]
    assert {"name": "ZONE", **given["env"]["ZONE"]} in container["env"]
    assert (pod["spec"]["volumes"], container["volumeMounts"]) == (given["volumes"], given["volumeMounts"])
    assert "annotations" not in made["ServiceAccount", "serinus-analyzer"]["metadata"]
    assert "azure.workload.identity/use" not in pods(made)["analyzer"]["metadata"]["labels"]


def test_the_notifier_reads_its_notifications(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "notifications.yaml"
    file.write_text(objects["ConfigMap", "serinus-notifications"]["data"]["notifications.yaml"])
    read = read_notifications(file, {"SLACK_TOKENS": "T/B/x", "SMTP_PASSWORD": "secret"})
    shown = read_notifications(
        ROOT / "examples" / "notifications.yaml", {"SLACK_TOKENS": "T/B/x", "SMTP_PASSWORD": "secret"}
    )
    assert read == shown


def test_a_changed_file_that_is_read_at_start_restarts_its_service(objects: Objects) -> None:
    restarted = {name for name, pod in pods(objects).items() if "annotations" in pod["metadata"]}
    assert restarted == {"collector", "notifier", "redis"}


@pytest.mark.parametrize("bundled", ["true", "false"])
def test_a_secret_of_ones_own_goes_before_what_the_chart_would_draw(bundled: str) -> None:
    made = rendered("--set", f"redis.existingSecret=mine,redis.bundled={bundled}")
    assert [one for one in made if one["kind"] == "Secret"] == []
    assert len([one for one in made if one["kind"] == "StatefulSet"]) == (bundled == "true")
