"""The chart says what other files say: the same rights, the same services."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tools import chart

DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "serinus"


def rights(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_chart_gives_the_controller_the_rights_of_the_manifests() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    defined = re.search(r'define "serinus.rules" }}\n(.*?){{- end }}', helpers, re.DOTALL)
    assert defined is not None
    given = rights(yaml.safe_load(defined.group(1))["rules"])
    for manifest in ("all-namespaces.yaml", "one-namespace.yaml"):
        documents = yaml.safe_load_all((DEPLOY / "rbac" / manifest).read_text())
        (role,) = [one for one in documents if one["kind"] in ("Role", "ClusterRole")]
        assert given == rights(role["rules"]), manifest


def test_the_chart_and_the_compose_stack_run_the_services_that_the_dockerfile_builds() -> None:
    targets = set(re.findall(r"^FROM service AS (\w+)$", (DEPLOY.parent / "Dockerfile").read_text(), re.MULTILINE))
    services = set(yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())["services"])
    assert targets == services - {"redis", "prometheus", "simulator"}
    templates = {path.stem for path in (CHART / "templates").glob("*.yaml")}
    assert targets == templates - {"extras", "rbac", "redis"}


def test_the_schema_of_the_values_is_the_one_that_values_and_models_have_now() -> None:
    assert chart.SCHEMA.read_text() == chart.schema(), "run `make schemas`"


@pytest.mark.parametrize(
    ("collector", "taken"),
    [
        ({"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}}, True),
        ({"serviceAccount": {"annotation": {}}}, False),
        ({"env": {"AWS_REGION": "eu-west-1", "A": {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}}}, True),
        ({"env": {"A": {"valuefrom": {}}}}, False),
        ({"env": {"A": {"valueFrom": {}}}}, False),
        ({"podLabels": {"azure.workload.identity/use": "true"}}, True),
        ({"podLabels": {"azure.workload.identity/use": True}}, False),
        ({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/a"}]}, True),
        ({"volumes": {"a": {}}}, False),
    ],
)
def test_the_schema_takes_an_identity_as_kubernetes_does(collector: dict[str, Any], taken: bool) -> None:
    schema = json.loads(chart.SCHEMA.read_text())
    assert Draft7Validator(schema).is_valid({"collector": collector}) is taken


def test_every_redis_user_has_its_password_and_its_address_in_the_chart() -> None:
    users = set(re.findall(r"^user serinus-(\w+) on", (DEPLOY / "redis" / "users.acl").read_text(), re.MULTILINE))
    template = (CHART / "templates" / "redis.yaml").read_text()
    drawn = re.search(r"\$services := list (.*) }}", template)
    filled = re.search(r"for service in (.*); do", template)
    assert drawn is not None
    assert filled is not None
    assert set(re.findall(r"\w+", drawn.group(1))) == set(filled.group(1).split()) == users


def test_a_value_without_a_word_about_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "CHART", tmp_path)
    (tmp_path / "values.yaml").write_text("# A service.\nthing:\n  # How many.\n  size: 3\n  colour: red\n")
    with pytest.raises(ValueError, match=r"thing.colour has no comment"):
        chart.schema()
