from __future__ import annotations

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.patch import apply_json_patch, apply_merge_patch, merge_patch_between, same

DOCUMENT: dict[str, Any] = {
    "metadata": {"generation": 3},
    "status": {"index": 1, "pauses": [{"reason": "step"}], "a/b": {"c~d": 0}},
}
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
names = st.sampled_from(["a", "b", "a/b", "c~d", "1", ""])
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
objects = st.dictionaries(names, documents, max_size=4)


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_null(inner) for key, inner in value.items() if inner is not None}
    return value


@given(objects, objects)
def test_the_operations_between_two_documents_make_the_second_of_the_first(left: Any, right: Any) -> None:
    before = str(left)
    operations = jsonpatch.make_patch(left, right).patch
    assert jsonpatch.JsonPatch(operations).apply(left) == apply_json_patch(left, operations)
    assert str(left) == before


@given(objects, objects)
def test_the_merge_patch_between_two_objects_makes_the_second_of_the_first(left: Any, right: Any) -> None:
    left, right = without_null(left), without_null(right)
    assert same(apply_merge_patch(left, merge_patch_between(left, right)), right)


@given(objects)
def test_there_is_nothing_to_patch_between_equal_objects(document: Any) -> None:
    assert merge_patch_between(document, document) == {}


@given(objects, objects)
def test_a_merge_patch_applied_twice_changes_nothing_more(document: Any, patch: Any) -> None:
    once = apply_merge_patch(document, patch)
    assert same(apply_merge_patch(once, patch), once)


@given(documents, documents)
def test_sameness_is_equality_that_tells_true_from_one(left: Any, right: Any) -> None:
    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shown(inner) for key, inner in value.items()}
        return [shown(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, value)

    assert same(left, right) is (shown(left) == shown(right))


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/status/index", "value": "1"},
        {"op": "test", "path": "/status/index", "value": True},
        {"op": "test", "path": "/status/nothing", "value": 1},
        {"op": "test", "path": "/status/pauses/1/reason", "value": "step"},
        {"op": "remove", "path": "/status/nothing"},
        {"op": "remove", "path": "/status/pauses/7"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/status/nothing/below", "value": 1},
        {"op": "add", "path": "/status/pauses/5", "value": 1},
        {"op": "replace", "path": "/status/pauses/1", "value": 1},
        {"op": "move", "from": "/status/nothing", "path": "/status/x"},
        {"op": "erase", "path": "/status/index"},
        {"op": "remove"},
        {"op": "add", "path": "status/index", "value": 1},
    ],
)
def test_what_cannot_be_applied_is_422_and_changes_nothing(operation: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        apply_json_patch(DOCUMENT, [{"op": "add", "path": "/status/new", "value": 1}, operation])
    assert refused.value.code == 422
    assert "new" not in DOCUMENT["status"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/status/nothing", "value": 1}, {"nothing": 1}),
        ({"op": "test", "path": "/status/nothing", "value": None}, {}),
        ({"op": "test", "path": "/status/nothing"}, {}),
        ({"op": "replace", "path": "/status/a~1b/c~0d", "value": 1}, {"a/b": {"c~d": 1}}),
        ({"op": "add", "path": "/status/pauses/-", "value": 1}, {"pauses": [{"reason": "step"}, 1]}),
        ({"op": "copy", "from": "/status/index", "path": "/status/pauses/0"}, {"pauses": [1, {"reason": "step"}]}),
    ],
)
def test_absent_members_are_added_by_replace_and_equal_to_null(operation: dict[str, Any], expected: Any) -> None:
    assert apply_json_patch(DOCUMENT, [operation])["status"] == DOCUMENT["status"] | expected


@pytest.mark.parametrize(("patch", "word"), [({"op": "remove"}, "object"), ("text", "string"), (None, "null")])
def test_a_json_patch_that_is_no_list_is_400(patch: Any, word: str) -> None:
    with pytest.raises(ApiError, match=f"cannot unmarshal {word}") as refused:
        apply_json_patch({}, patch)
    assert refused.value.code == 400


def test_a_merge_patch_that_is_no_object_is_400() -> None:
    with pytest.raises(ApiError, match="cannot unmarshal array") as refused:
        apply_merge_patch({}, [1])
    assert refused.value.code == 400


def test_a_merge_patch_puts_an_object_where_there_was_none_and_drops_nulls_in_it() -> None:
    assert apply_merge_patch({"a": [1]}, {"a": {"b": {"c": None, "d": 1}}}) == {"a": {"b": {"d": 1}}}
