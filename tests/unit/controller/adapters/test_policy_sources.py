import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import CanaryPolicy
from serinus_controller.adapters import policy_sources
from serinus_controller.adapters.policy_sources import PolicyFolder, PolicySink
from serinus_controller.use_cases.policy_store import PolicyStore, Telemetry
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.policy_documents import load_file, read_resource
from serinus_runtime.documents import DocumentError

from tests.unit.rollouts.test_policy_documents import GOOD, resource


@pytest.fixture
def store() -> PolicyStore:
    return PolicyStore(Telemetry(CollectorRegistry()))


def names(store: PolicyStore) -> list[str]:
    return sorted(policy.metadata.name for policy in store.current())


def named(name: str) -> str:
    return GOOD.replace("name: shop}", f"name: {name}}}", 1)


def counted(monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[..., Any]) -> list[Any]:
    """What is read by the function of this name from now on."""
    asked: list[Any] = []

    def reading(what: Any, *more: Any) -> Any:
        asked.append(what)
        return read(what, *more)

    monkeypatch.setattr(policy_sources, name, reading)
    return asked


def test_files_are_read_again_when_they_change_come_and_go(store: PolicyStore, tmp_path: Path) -> None:
    folder = PolicyFolder(tmp_path, store)
    (tmp_path / "a.yaml").write_text(named("a"))
    (tmp_path / "notes.txt").write_text("not a policy")
    assert folder.read() == []
    assert names(store) == ["a"]
    (tmp_path / "b.yml").write_text(named("b"))
    (tmp_path / "a.yaml").write_text(named("a2"))
    folder.read()
    assert names(store) == ["a2", "b"]
    (tmp_path / "a.yaml").unlink()
    folder.read()
    assert names(store) == ["b"]


def test_a_file_that_turns_bad_keeps_its_last_good_version_and_says_so(store: PolicyStore, tmp_path: Path) -> None:
    folder = PolicyFolder(tmp_path, store)
    (tmp_path / "a.yaml").write_text(named("a"))
    folder.read()
    (tmp_path / "a.yaml").write_text(named("a").replace("metrics:", "metrcs:"))
    told = folder.read()
    assert "a.yaml:6:3: spec.metrcs: unknown key: did you mean metrics?" in told[0]
    assert names(store) == ["a"]
    assert store.telemetry.invalid._value.get() == 1
    (tmp_path / "a.yaml").write_text(named("a3"))
    assert folder.read() == []
    assert names(store) == ["a3"]
    assert store.telemetry.invalid._value.get() == 0


def test_a_file_that_fails_for_no_foreseen_reason_costs_no_other_its_policies(
    store: PolicyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = load_file

    def load(file: Path) -> list[CanaryPolicy]:
        if file.name == "a.yaml":
            raise RuntimeError("a bug")
        return read(file)

    monkeypatch.setattr(policy_sources, "load_file", load)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(named(name))
    (told,) = PolicyFolder(tmp_path, store).read()
    assert told.endswith("a.yaml: cannot be read: RuntimeError: a bug")
    assert (names(store), store.telemetry.invalid._value.get()) == (["b"], 1)


def test_a_file_that_has_not_changed_is_not_parsed_again(
    store: PolicyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = counted(monkeypatch, "load_file", load_file)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(named(name))
        os.utime(tmp_path / f"{name}.yaml", (1_000, 1_000))
    folder = PolicyFolder(tmp_path, store)
    for _ in range(3):
        folder.read()
    assert parsed == [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    (tmp_path / "a.yaml").write_text(named("c"))
    folder.read()
    assert (parsed[2:], names(store)) == ([tmp_path / "a.yaml"], ["b", "c"])


def test_every_problem_of_every_file_is_told_at_once(store: PolicyStore, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("metrics:", "metrcs:"))
    (tmp_path / "b.yml").write_text(GOOD.replace("match:", "mach:"))
    told = "\n".join(PolicyFolder(tmp_path, store).read())
    assert "a.yaml" in told
    assert "b.yml" in told


def test_a_name_may_be_used_once_in_a_folder(store: PolicyStore, tmp_path: Path) -> None:
    for file in ("a.yaml", "b.yaml"):
        (tmp_path / file).write_text(GOOD)
    (told,) = PolicyFolder(tmp_path, store).read()
    assert told == f"{tmp_path}/b.yaml: metadata.name: shop is in {tmp_path}/a.yaml too"


def test_a_folder_that_is_not_there_says_which_setting_names_it(store: PolicyStore, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such folder: SERINUS_POLICIES names it"):
        PolicyFolder(tmp_path / "nowhere", store).read()


class Server:
    """Keeps the resources, and their versions, as the API server does."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = {one["metadata"]["name"]: one for one in resources}
        self.failing = False

    async def request(self, method: str, path: str, *, body: Any, **_: Any) -> Any:
        if self.failing:
            raise ClusterError("away")
        name = path.split("/")[-2]
        return self.changed(name, **body)

    def changed(self, name: str, **parts: Any) -> dict[str, Any]:
        one = copy.deepcopy(self.resources[name]) | parts
        one["metadata"]["resourceVersion"] = str(int(one["metadata"]["resourceVersion"]) + 1)
        one["metadata"]["generation"] = one["metadata"].get("generation", 1) + ("spec" in parts)
        self.resources[name] = one
        return one


@pytest.mark.anyio
async def test_a_resource_that_has_not_changed_is_not_validated_again(
    store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = counted(monkeypatch, "read_resource", read_resource)
    server: Any = Server(resource(), resource(metrics=[]) | {"metadata": {**resource()["metadata"], "name": "bad"}})
    sink = PolicySink(server, store, "", lambda: 5)
    for _ in range(3):
        await sink.listed(sink.read(list(server.resources.values())), 1)
    assert [one["metadata"]["name"] for one in validated] == ["bad", "shop"]
    await sink.changed(server.changed("bad", spec=resource()["spec"] | {"mode": "guard"}))
    assert len(validated) == 3
    assert [policy.spec.mode for policy in store.current()] == ["shadow", "guard"]
    await sink.deleted(server.resources["bad"])
    await sink.listed(sink.read(list(server.resources.values())), 2)
    assert len(validated) == 4


@pytest.mark.anyio
async def test_a_condition_that_could_not_be_written_is_written_with_the_next_list(store: PolicyStore) -> None:
    server: Any = Server(resource())
    sink = PolicySink(server, store, "", lambda: 5)
    for server.failing in (True, False):
        await sink.listed(sink.read(list(server.resources.values())), 1)
    (said,) = server.resources["shop"]["status"]["conditions"]
    assert (said["status"], names(store)) == ("True", ["shop"])


@pytest.mark.anyio
async def test_a_policy_whose_interval_is_not_kept_says_so_until_it_is_beside_what_others_say_of_it(
    store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conditions() -> dict[str, Any]:
        found = server.resources["shop"]["status"]["conditions"]
        return {one["type"]: (one["status"], one.get("message"), one.get("lastTransitionTime")) for one in found}

    validated = counted(monkeypatch, "read_resource", read_resource)
    foreign = {"type": "Reviewed", "status": "True"}
    server: Any = Server(resource() | {"status": {"conditions": [foreign]}})
    now, paced = 1_000, None
    sink = PolicySink(server, store, "", lambda: now, paced=lambda: paced)
    first, later = "1970-01-01T00:00:01Z", "1970-01-01T00:00:09Z"
    accepted = ("True", "takes effect at the next run of each Rollout that it matches", first)

    async def listed() -> dict[str, Any]:
        for _ in range(2):
            await sink.listed(sink.read(list(server.resources.values())), 1)
        return conditions()

    assert await listed() == {"Reviewed": ("True", None, None), "Accepted": accepted}
    paced = {"CanaryPolicy shop/shop": "slower"}
    assert (await listed())["Paced"] == ("True", "slower", first)
    now, paced = 9_000, {"CanaryPolicy shop/shop": "still slower"}
    assert (await listed())["Paced"] == ("True", "still slower", first)
    paced = None  # a leader that has just begun does not know
    assert (await listed())["Paced"] == ("True", "still slower", first)
    paced = {}
    assert await listed() == {
        "Reviewed": ("True", None, None),
        "Accepted": accepted,
        "Paced": ("False", "snapshots come as often as it asks for", later),
    }
    assert (len(validated), int(server.resources["shop"]["metadata"]["resourceVersion"])) == (
        1,
        int(resource()["metadata"]["resourceVersion"]) + 4,
    ), "it is written when it changes, and not validated again for it"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "status",
    [
        [],
        "x",
        {"conditions": "x"},
        {"conditions": {"type": "Paced"}},
        {"conditions": [None, "x", [], {}, {"type": {}}]},
    ],
)
async def test_a_status_of_unknown_form_costs_no_other_policy_and_is_written_anew(
    store: PolicyStore, status: Any
) -> None:
    odd = resource() | {"metadata": {**resource()["metadata"], "name": "odd"}, "status": status}
    server: Any = Server(odd, resource())
    sink = PolicySink(server, store, "", lambda: 5, paced=dict)
    for _ in range(2):
        await sink.listed(sink.read(list(server.resources.values())), 1)
    assert names(store) == ["odd", "shop"]
    for one in server.resources.values():
        assert ("Accepted", "True") in [(said.get("type"), said.get("status")) for said in one["status"]["conditions"]]


@pytest.mark.anyio
async def test_a_resource_that_asks_a_provider_of_other_namespaces_says_so_in_its_condition(store: PolicyStore) -> None:
    server: Any = Server(resource())
    await PolicySink(server, store, "", lambda: 5, {"main": ("bank",)}).listed(list(server.resources.values()), 1)
    (said,) = server.resources["shop"]["status"]["conditions"]
    assert (said["status"], names(store)) == ("False", [])
    assert "spec.source.provider: provider main is not for namespace shop" in said["message"]


def test_that_there_is_no_policy_is_said_once_until_there_was_one(
    store: PolicyStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = PolicyFolder(tmp_path, store)
    for text in (None, None, GOOD, None):
        (tmp_path / "a.yaml").unlink(missing_ok=True)
        if text:
            (tmp_path / "a.yaml").write_text(text)
        folder.read()
        store.warn_of_none("put one into /policies")
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["no policy: nothing will be judged; put one into /policies"] * 2


@pytest.mark.anyio
async def test_a_resource_that_fails_for_no_foreseen_reason_costs_no_other_and_its_author_is_told(
    store: PolicyStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read(document: dict[str, Any], _: Any) -> CanaryPolicy:
        if document["metadata"]["name"] == "bad":
            raise RuntimeError("a bug")
        return read_resource(document)

    monkeypatch.setattr(policy_sources, "read_resource", read)
    server: Any = Server(resource() | {"metadata": {**resource()["metadata"], "name": "bad"}}, resource())
    sink = PolicySink(server, store, "", lambda: 5)
    for _ in range(2):
        await sink.listed(sink.read(list(server.resources.values())), 1)
    assert (names(store), store.telemetry.invalid._value.get()) == (["shop"], 1)
    assert len([line for line in caplog.messages if "RuntimeError: a bug" in line]) == 1
    (said,) = server.resources["bad"]["status"]["conditions"]
    assert (said["status"], said["message"].endswith("RuntimeError: a bug")) == ("False", True)


@pytest.mark.anyio
async def test_of_a_namespace_the_fifty_oldest_policies_are_in_force_and_the_others_say_so(store: PolicyStore) -> None:
    def made(number: int) -> dict[str, Any]:
        created = f"2026-01-01T00:{number:02}:00Z"
        return resource() | {"metadata": resource()["metadata"] | {"name": f"p{number}", "creationTimestamp": created}}

    server: Any = Server(*map(made, reversed(range(52))))
    sink = PolicySink(server, store, "", lambda: 5)
    await sink.listed(sink.read(list(server.resources.values())), 1)
    assert set(names(store)) == {f"p{number}" for number in range(50)}
    (said,) = server.resources["p51"]["status"]["conditions"]
    assert said["message"] == "namespace shop has more than 50 policies: only so many are in force, the oldest"
    late = made(52)
    server.resources["p52"] = late
    await sink.changed(late)
    assert "p52" not in names(store)


@pytest.mark.anyio
async def test_a_policy_far_too_large_is_not_kept_to_be_read_and_its_author_is_told(store: PolicyStore) -> None:
    server: Any = Server(resource(match={"name": "x" * 1_000_000}))
    sink = PolicySink(server, store, "", lambda: 5)
    (kept,) = sink.read(list(server.resources.values()))
    assert len(repr(kept)) < 1_000
    await sink.listed([kept], 1)
    (said,) = server.resources["shop"]["status"]["conditions"]
    assert said["message"] == "spec is at most 64 KiB, this one 976"
