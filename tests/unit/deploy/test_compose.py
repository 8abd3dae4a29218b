"""The compose file, and the script by which it starts Redis, without Docker."""

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_without_rights_and_has_an_end_to_its_memory_and_logs(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    user = service.get("user") or (
        name in OURS and re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
    )
    assert user
    assert not user.startswith(("0", "root"))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_from_here_is_for_reading_only_and_is_never_made_by_docker(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        if isinstance(mount, str):  # a named volume
            assert not mount.startswith((".", "/", "$", "~"))
        else:
            assert (mount["read_only"], mount["bind"]) == (True, {"create_host_path": False})


def test_our_images_are_built_and_never_asked_of_a_registry() -> None:
    assert {name: SERVICES[name]["pull_policy"] for name in OURS} == dict.fromkeys(OURS, "build")


def test_redis_keeps_well_below_the_limit_of_its_container() -> None:
    found = re.search(r"--maxmemory (\d+)mb", (ROOT / "deploy/compose/redis.sh").read_text())
    assert found
    assert int(found[1]) <= 0.75 * 1024
    assert SERVICES["redis"]["mem_limit"] == "1g"


def test_images_are_labelled_with_the_version_and_licence_of_the_project() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', (ROOT / "Dockerfile").read_text()))
    project = tomllib.loads((ROOT / "shared/runtime/pyproject.toml").read_text())["project"]
    assert (labels["version"], labels["licenses"]) == (project["version"], project["license"])


def started(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entry of compose's Redis, with all its places in a folder and no server behind it."""
    (folder / "redis-server").write_text("#!/bin/sh\n")
    (folder / "redis-server").chmod(0o755)
    text = (ROOT / "deploy/compose/redis.sh").read_text()
    places = {"/etc/serinus/users.acl": f"{ROOT}/deploy/redis/users.acl", "/tmp": str(folder), "/data": str(folder)}
    (folder / "redis.sh").write_text(re.sub("|".join(places), lambda found: places[found[0]], text))
    environment = {**os.environ, **environment, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["sh", str(folder / "redis.sh")]
    return subprocess.run(command, env=environment, check=False, timeout=20, capture_output=True, text=True)


def test_with_a_cluster_the_password_that_everybody_knows_is_refused(tmp_path: Path) -> None:
    refused = started(tmp_path, REDIS_PASSWORD="serinus", SERINUS_KUBECONFIG="/home/me/.kube/config")
    assert refused.returncode == 1
    assert "export REDIS_PASSWORD=$(openssl rand -hex 24)" in refused.stderr
    assert not (tmp_path / "users.acl").exists()
    assert started(tmp_path, REDIS_PASSWORD="serinus", SERINUS_KUBECONFIG="").returncode == 0
    assert SERVICES["redis"]["environment"]["SERINUS_KUBECONFIG"] == "${SERINUS_KUBECONFIG:-}"


@settings(max_examples=20, deadline=None)
@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_is_that_of_every_user_and_stands_nowhere_in_the_clear(
    tmp_path_factory: pytest.TempPathFactory, password: str
) -> None:
    folder = tmp_path_factory.mktemp("redis")
    assert (
        started(folder, REDIS_PASSWORD=password, SERINUS_KUBECONFIG="/x" if password != "serinus" else "").returncode
        == 0
    )
    users = [line.split() for line in (folder / "users.acl").read_text().splitlines()]
    hashed = "#" + hashlib.sha256(password.encode()).hexdigest()
    assert len(users) == 7
    assert {user[1] for user in users if hashed in user} == {user[1] for user in users} - {"default"}
    assert not any(part.startswith(">") for user in users for part in user)
