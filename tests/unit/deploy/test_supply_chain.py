"""What is taken from others is named by what it holds, not by a name that may come to mean another thing."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.name))
def test_an_action_is_named_by_its_commit_with_its_version_beside_it(workflow: Path) -> None:
    uses = re.findall(r"uses: (.*)", workflow.read_text())
    assert uses
    assert [one for one in uses if not re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_an_action_is_of_one_commit_in_all_workflows() -> None:
    uses = {one for path in WORKFLOWS for one in re.findall(r"uses: (\S+)", path.read_text())}
    assert len(uses) == len({one.partition("@")[0] for one in uses})


def test_images_of_others_are_named_by_their_digest_and_everywhere_the_same() -> None:
    pinned = re.findall(r"^FROM (\S+)$", (ROOT / "deploy" / "images" / "Dockerfile").read_text(), re.MULTILINE)
    assert [one for one in pinned if not re.fullmatch(r"[a-z/]+:v?[\d.]+[a-z-]*@sha256:[0-9a-f]{64}", one)] == []
    compose = (ROOT / "docker-compose.yml").read_text()
    used = re.findall(r"_IMAGE:-([^}]+)}", compose)
    assert sorted(used) == sorted(pinned)
    base, redis, _ = pinned
    assert f"ARG BASE_IMAGE={base}\n" in (ROOT / "Dockerfile").read_text()
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "serinus" / "values.yaml").read_text())
    assert values["redis"]["image"] == redis


def test_what_checks_the_hashes_is_itself_held_by_its_hash() -> None:
    text = (ROOT / "tools" / "requirements.txt").read_text()
    assert re.findall(r"^[a-z]\S*", text, re.MULTILINE) == [re.search(r"uv==[\d.]+", text)[0]]  # type: ignore[index]
    assert text.count("--hash=sha256:") > 10
    for path in (ROOT / "Dockerfile", *WORKFLOWS):
        installs = [line for line in path.read_text().splitlines() if re.search(r"pip3? install", line)]
        assert all("--require-hashes" in line or "uv pip install" in line for line in installs), path


def test_images_and_chart_are_signed_and_what_is_released_says_where_it_was_built() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    for name, by in (("images", "cosign sign"), ("chart", "cosign sign"), ("release", "attest-build-provenance")):
        assert by in str(jobs[name]["steps"])
        assert jobs[name]["permissions"]["id-token"] == "write"
    (built,) = [step for step in jobs["images"]["steps"] if "build-push" in step.get("uses", "")]
    assert (built["with"]["sbom"], built["with"]["provenance"]) == (True, "mode=max")
