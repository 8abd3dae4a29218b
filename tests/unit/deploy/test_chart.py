"""The chart says what other files say: the same rights, the same services."""

import re
from pathlib import Path
from typing import Any

import yaml

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
    assert targets == {path.stem for path in (CHART / "templates").glob("*.yaml")} - {"extras", "rbac", "redis"}
