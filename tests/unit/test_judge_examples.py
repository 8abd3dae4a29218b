"""The examples of `serinus judge` do what they say."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from serinus.judge.arms import matchers
from serinus_contracts.selector import Labels
from serinus_rollouts.policy_documents import load_file

FOLDER = Path(__file__).parents[2] / "examples" / "judge"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "judge.md"
OPTION = re.compile(r"--(canary|stable) ('[^']*')")
# Pods as Kubernetes names them, of canary and stable.
PODS = {
    "buy-canary": ("buy-canary-7d9f6c4b8-x2x4z", "buy-5c8d7f9b6-9kq2w"),
    "buy-primary": ("buy-5c8d7f9b6-9kq2w", "buy-primary-7d9f6c4b8-x2x4z"),
}


def arms(text: str) -> list[tuple[str, str]]:
    found = [(name, shlex.split(value)[0]) for name, value in OPTION.findall(text)]
    assert [name for name, _ in found] == ["canary", "stable"] * (len(found) // 2)
    return [(canary, stable) for (_, canary), (_, stable) in zip(found[::2], found[1::2], strict=True)]


def matches(text: str, labels: Labels) -> bool:
    return all(matcher.matches(labels) for matcher in matchers(text))


@pytest.mark.parametrize("file", [FOLDER / "README.md", FOLDER / "release.sh", PAGE], ids=lambda file: file.name)
def test_the_labels_of_each_command_are_ones_and_tell_its_pods_apart(file: Path) -> None:
    found = arms(file.read_text())
    assert found
    for canary, stable in found:
        matchers(canary), matchers(stable)
        for mark, (new, old) in PODS.items():
            if f'pod=~"{mark}-' in canary + stable:
                pods = [{"namespace": "shop", "pod": pod} for pod in (new, old)]
                assert [matches(canary, pod) for pod in pods] == [True, False]
                assert [matches(stable, pod) for pod in pods] == [False, True]


def test_the_table_of_the_page_holds_labels_that_are_read() -> None:
    rows = re.findall(r"\| `'([^`]*)'` \| `'([^`]*)'` \|", PAGE.read_text())
    assert len(rows) == 5
    for row in rows:
        assert all(matchers(text) for text in row)


def test_the_policy_for_a_lambda_alias_is_right() -> None:
    (policy,) = load_file(FOLDER / "lambda.yaml")
    assert [metric.name for metric in policy.spec.metrics] == ["errors"]


def test_both_deployments_are_behind_the_service_and_told_apart() -> None:
    service, stable, canary = yaml.safe_load_all((FOLDER / "deployments.yaml").read_text())
    for deployment in (stable, canary):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert stable["spec"]["template"]["metadata"]["labels"] != canary["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(("code", "promoted"), [(0, True), (3, False), (4, False), (1, False)])
def test_the_script_promotes_on_a_proceed_alone_and_always_takes_the_canary_away(
    code: int, promoted: bool, tmp_path: Path
) -> None:
    for name, ends in (("kubectl", 0), ("serinus", code)):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\nexit {ends}\n')
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PROMETHEUS": "http://prometheus"}
    ended = subprocess.run([FOLDER / "release.sh", "buy:v2"], env=environment, capture_output=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert ended.returncode == code
    assert ("kubectl -n shop set image deployment/buy buy=buy:v2" in calls) == promoted
    assert calls[-1] == "kubectl -n shop scale deployment/buy-canary --replicas 0"
    assert calls[3].startswith("serinus judge --prometheus http://prometheus --name buy")
