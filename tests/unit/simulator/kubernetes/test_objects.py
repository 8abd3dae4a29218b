from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import CANARY_POLICIES, LEASES, PODS, ROLLOUTS, Object
from serinus_simulator.kubernetes.objects import FIRST_REVISION, Change, ObjectStore


def store(history: int = 1000) -> ObjectStore:
    return ObjectStore(lambda: 1_800_000_000.0, history=history)


def named(name: str, **fields: Any) -> Object:
    return {"metadata": {"name": name}, **fields}


def test_a_created_object_gets_uid_generation_time_and_revision() -> None:
    objects = store()
    made = objects.create(ROLLOUTS, "shop", named("checkout", spec={"replicas": 1}))
    metadata = made["metadata"]
    assert (metadata["namespace"], metadata["generation"]) == ("shop", 1)
    assert metadata["resourceVersion"] == str(objects.revision) == str(FIRST_REVISION + 1)
    assert metadata["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert len(metadata["uid"]) == 36


def test_a_world_made_later_has_the_same_names_and_none_of_the_uids_of_one_before() -> None:
    worlds = [ObjectStore(partial(float, start), seed=7) for start in (1_800_000_000.0, 1_800_000_000.001)]
    made = [[world.create(PODS, "shop", {"metadata": {"generateName": "a-"}}) for _ in range(5)] for world in worlds]
    (before, after) = ([one["metadata"] for one in objects] for objects in made)
    assert [one["name"] for one in before] == [one["name"] for one in after]
    assert len({one["uid"] for one in (*before, *after)}) == 10


def test_a_name_is_needed_once_and_may_be_generated() -> None:
    objects = store()
    objects.create(ROLLOUTS, "shop", named("checkout"))
    with pytest.raises(ApiError) as twice:
        objects.create(ROLLOUTS, "shop", named("checkout"))
    with pytest.raises(ApiError) as nameless:
        objects.create(ROLLOUTS, "shop", {})
    generated = objects.create(ROLLOUTS, "shop", {"metadata": {"generateName": "checkout-"}})
    assert (twice.value.code, nameless.value.code) == (409, 422)
    assert generated["metadata"]["name"].startswith("checkout-")


def test_the_status_of_a_created_custom_resource_is_dropped() -> None:
    made = store().create(ROLLOUTS, "shop", named("checkout", status={"phase": "Healthy"}))
    assert "status" not in made


def test_each_half_of_an_object_is_written_by_its_own_path_only() -> None:
    objects = store()
    objects.create(ROLLOUTS, "shop", named("checkout", spec={"replicas": 1}))
    change = {"spec": {"replicas": 2}, "status": {"phase": "Healthy"}}
    main = objects.modify(ROLLOUTS, "shop", "checkout", lambda old: old | change)
    assert (main["spec"], main.get("status")) == ({"replicas": 2}, None)
    status = objects.modify(
        ROLLOUTS, "shop", "checkout", lambda old: old | change | {"spec": {"replicas": 9}}, "status"
    )
    assert (status["spec"], status["status"]) == ({"replicas": 2}, {"phase": "Healthy"})


def test_only_a_change_of_the_spec_makes_a_new_generation() -> None:
    objects = store()
    objects.create(ROLLOUTS, "shop", named("checkout", spec={"replicas": 1}))

    def generation(change: Object, subresource: str = "") -> int:
        made = objects.modify(ROLLOUTS, "shop", "checkout", lambda old: old | change, subresource)
        return int(made["metadata"]["generation"])

    assert generation({"status": {"phase": "Paused"}}, "status") == 1
    assert generation({"metadata": {"name": "checkout", "annotations": {"a": "b"}}}) == 1
    assert generation({"spec": {"replicas": 2}}) == 2


def test_a_write_without_change_keeps_the_revision_and_tells_nobody() -> None:
    objects, seen = store(), list[Change]()
    made = objects.create(ROLLOUTS, "shop", named("checkout", spec={"replicas": 1}))
    objects.subscribe(ROLLOUTS, seen.append)
    again = objects.modify(ROLLOUTS, "shop", "checkout", lambda old: dict(old))
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert seen == []


def test_what_names_an_object_cannot_be_changed_by_writing_it() -> None:
    objects = store()
    made = objects.create(ROLLOUTS, "shop", named("checkout"))
    wrong = {"name": "other", "namespace": "elsewhere", "uid": "x", "generation": 7, "labels": {"a": "b"}}
    written = objects.modify(ROLLOUTS, "shop", "checkout", lambda old: old | {"metadata": wrong})
    assert written["metadata"]["labels"] == {"a": "b"}
    for key in ("name", "namespace", "uid", "generation"):
        assert written["metadata"][key] == made["metadata"][key]


def test_a_replacement_needs_the_present_revision() -> None:
    objects = store()
    made = objects.create(LEASES, "shop", named("leader", spec={"holderIdentity": "a"}))
    taken = objects.replace(LEASES, "shop", "leader", made | {"spec": {"holderIdentity": "b"}})
    assert taken["spec"] == {"holderIdentity": "b"}
    with pytest.raises(ApiError) as stale:
        objects.replace(LEASES, "shop", "leader", made | {"spec": {"holderIdentity": "c"}})
    with pytest.raises(ApiError) as unversioned:
        objects.replace(LEASES, "shop", "leader", named("leader"))
    assert (stale.value.code, unversioned.value.code) == (409, 422)


def test_unknown_fields_are_dropped_and_wrong_types_refused_with_their_field() -> None:
    objects = store()
    made = objects.create(ROLLOUTS, "shop", named("checkout", spec={"replicas": 1, "colour": "red"}))
    assert made["spec"] == {"replicas": 1}
    with pytest.raises(ApiError) as refused:
        objects.modify(ROLLOUTS, "shop", "checkout", lambda old: old | {"spec": {"paused": "yes"}})
    causes = refused.value.body["details"]["causes"]
    assert [cause["field"] for cause in causes] == ["spec.paused", "<nil>"]


def test_a_kind_without_schema_keeps_every_field() -> None:
    made = store().create(CANARY_POLICIES, "shop", named("policy", spec={"mode": "enforce"}))
    assert made["spec"] == {"mode": "enforce"}


def test_objects_are_found_by_their_owner_in_the_order_of_their_birth() -> None:
    objects = store()
    owners = [{"uid": "u", "kind": "ReplicaSet", "name": "rs"}]
    for name in ("z", "a"):
        objects.create(PODS, "shop", {"metadata": {"name": name, "ownerReferences": owners}})
    assert [pod["metadata"]["name"] for pod in objects.owned(PODS, "u")] == ["z", "a"]
    objects.delete(PODS, "shop", "z")
    assert [pod["metadata"]["name"] for pod in objects.owned(PODS, "u")] == ["a"]
    objects.delete(PODS, "shop", "a")
    assert objects.owned(PODS, "u") == []


operations = st.lists(st.tuples(st.sampled_from(["create", "modify", "delete"]), st.sampled_from("abc")), max_size=30)


@given(operations)
def test_a_list_of_the_past_is_what_was_listed_then(steps: list[tuple[str, str]]) -> None:
    objects = store()
    pasts = {objects.revision: objects.objects(PODS)}
    for number, (operation, name) in enumerate(steps):
        present = objects.peek(PODS, "shop", name) is not None
        if operation == "create" and not present:
            objects.create(PODS, "shop", named(name))
        elif operation == "modify" and present:
            objects.modify(PODS, "shop", name, partial(_numbered, number))
        elif operation == "delete" and present:
            objects.delete(PODS, "shop", name)
        pasts[objects.revision] = objects.objects(PODS)
    for revision, past in pasts.items():
        assert objects.objects_at(PODS, None, revision) == past
        changes = objects.changes_since(PODS, revision)
        assert [change.revision for change in changes] == [later for later in pasts if later > revision]


def _numbered(number: int, old: Object) -> Object:
    return old | {"spec": {"number": number}}


def test_beyond_its_history_the_past_is_expired() -> None:
    objects = store(history=3)
    first = objects.revision
    for name in "abcde":
        objects.create(PODS, "shop", named(name))
    for ask in (objects.changes_since, lambda kind, revision: objects.objects_at(kind, None, revision)):
        with pytest.raises(ApiError) as expired:
            ask(PODS, first)
        assert (expired.value.code, expired.value.body["reason"]) == (410, "Expired")
    assert len(objects.changes_since(PODS, objects.revision - 3)) == 3


def test_after_forgetting_only_the_present_is_known() -> None:
    objects = store()
    objects.create(PODS, "shop", named("a"))
    before = objects.revision
    objects.forget_history()
    with pytest.raises(ApiError):
        objects.changes_since(PODS, before)
    assert objects.changes_since(PODS, objects.revision) == []
