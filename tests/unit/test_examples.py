"""Every example is what it says: policies that fit their Rollouts, Rollouts and templates that Argo would take."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus.import_.convert import convert
from serinus.import_.manifests import read
from serinus_simulator.argo.validation import complaint
from serinus_simulator.argo.view import RolloutView
from serinus_simulator.kubernetes.kinds import ANALYSIS_TEMPLATES, INGRESSES, ROLLOUTS, SERVICES
from serinus_simulator.kubernetes.objects import ObjectStore
from serinus_simulator.kubernetes.schema import ROLLOUT, conform

from tests.unit.simulator.clocks import ManualClock

SUNDAY = Path(__file__).parents[2] / "examples" / "sunday"
WAYS = sorted(folder.name for folder in SUNDAY.iterdir() if folder.is_dir())


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def test_there_are_three_ways_each_with_a_word_about_it() -> None:
    assert WAYS == ["as-it-is", "gated", "pull"]
    assert all((SUNDAY / way / "README.md").exists() for way in WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_the_policy_is_right_and_fits_the_rollout_without_a_warning(way: str) -> None:
    folder = SUNDAY / way
    command = [sys.executable, "-c", "from serinus.app import main; main()", "validate", str(folder / "policy.yaml")]
    told = subprocess.run([*command, "--rollout", str(folder / "rollout.yaml")], capture_output=True, text=True)
    shadow = "warning: policy sunday-backend is in shadow mode: it reports what it would do, and does nothing\n"
    assert (told.returncode, told.stdout) == (0, (shadow if way == "pull" else "") + "1 policy valid\n")


@pytest.mark.parametrize("way", WAYS)
def test_the_rollout_would_be_taken_with_its_templates(way: str) -> None:
    (rollout,) = documents(SUNDAY / way / "rollout.yaml")
    causes: list[Any] = []
    assert conform({"spec": rollout["spec"]}, ROLLOUT, "", causes) == {"spec": rollout["spec"]}
    assert causes == []
    store = ObjectStore(ManualClock().now)
    namespace = rollout["metadata"]["namespace"]
    canary = rollout["spec"]["strategy"]["canary"]
    for service in (canary["stableService"], canary["canaryService"]):
        store.create(SERVICES, namespace, {"metadata": {"name": service}})
    ingress = canary["trafficRouting"]["nginx"]["stableIngress"]
    store.create(INGRESSES, namespace, {"metadata": {"name": ingress}})
    for file in (SUNDAY / way).glob("template*.yaml"):
        for template in documents(file):
            assert template["metadata"]["namespace"] == namespace
            store.create(ANALYSIS_TEMPLATES, namespace, template)
    stored = store.create(ROLLOUTS, namespace, rollout)
    assert complaint(RolloutView(stored), store) == ""


def test_the_example_as_it_is_is_imported_whole_and_its_gates_are_those_of_the_gated_one() -> None:
    folder = SUNDAY / "as-it-is"
    made = convert(read([folder / "rollout.yaml", folder / "templates.yaml"]), "enforce")
    assert made.report.lost == []
    (gated,) = documents(SUNDAY / "gated" / "rollout.yaml")
    assert made.steps == gated["spec"]["strategy"]["canary"]["steps"]
