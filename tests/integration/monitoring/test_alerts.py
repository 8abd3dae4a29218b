"""Alerts, runbooks and dashboard: each alert fires when it must, and all speak of metrics that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.lacking import lacking
from tests.metrics import ROOT, declared

MONITORING = ROOT / "deploy" / "monitoring"
CASES = Path(__file__).parent / "alerts.yaml"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def known() -> set[str]:
    return {series for one in declared() for series in one.series}


def asked_for(query: str) -> set[str]:
    return set(re.findall(r"\bserinus_\w+", query))


def test_every_alert_fires_in_its_case_and_none_on_a_fleet_that_works(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        lacking("promtool", "apt-get install prometheus, which it comes with")
    # promtool compares annotations as well; what they say is for people and not said twice.
    bare = [{key: value for key, value in rule.items() if key != "annotations"} for rule in rules()]
    under_test = tmp_path / "alerts_under_test.yaml"
    under_test.write_text(yaml.safe_dump({"groups": [{"name": "serinus", "rules": bare}]}))
    shutil.copy(CASES, tmp_path)
    for command in (["check", "rules", str(MONITORING / "alerts.yaml")], ["test", "rules", str(tmp_path / CASES.name)]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    cases = [one for test in yaml.safe_load(CASES.read_text())["tests"] for one in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    titles = re.findall(r"^## (Serinus\w+)$", (ROOT / "docs" / "how-to" / "runbooks.md").read_text(), re.MULTILINE)
    assert titles == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/how-to/runbooks.md#{rule['alert'].lower()}"
        assert {"summary", "description"} <= set(rule["annotations"])
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert queries
    declared_ones = known()
    for query in [*queries, *(rule["expr"] for rule in rules())]:
        assert asked_for(query), query
        assert asked_for(query) <= declared_ones, query


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
