"""JSON patch and merge patch as the API server applies them, which is not quite as their RFCs say.

`replace` of an absent member adds it and `test` of null passes on an absent one; both are in the recordings and a
guard that relies on either must meet it here too.
"""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException, ReplaceOperation, TestOperation

from serinus_simulator.kubernetes.failures import bad_request, patch_refused

Json = Any
_ABSENT = object()


def apply_json_patch(document: Json, operations: Json) -> Json:
    """A new document; the given one is left alone. Raises ApiError: 400 for what is no list, 422 for the rest."""
    if not isinstance(operations, list):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {_go_type(operations)} into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {_go_type(operation)} into Go value of type "
                "handlers.jsonPatchOp"
            )
    try:
        return _Patch(operations).apply(document)
    except (JsonPatchException, JsonPointerException):
        raise patch_refused() from None


class _Replace(ReplaceOperation):
    def apply(self, obj: Json) -> Json:
        parent, last = self.pointer.to_last(obj)
        if not isinstance(parent, dict):
            return super().apply(obj)
        parent[last] = copy.deepcopy(self.operation.get("value"))
        return obj


class _Test(TestOperation):
    def apply(self, obj: Json) -> Json:
        if self.operation.get("value") is None and self.pointer.resolve(obj, None) is None:
            return obj
        return super().apply(obj)


class _Patch(JsonPatch):
    operations = MappingProxyType({**JsonPatch.operations, "replace": _Replace, "test": _Test})


def apply_merge_patch(document: Json, patch: Json) -> Json:
    """A new document after RFC 7386. Raises ApiError 400 for a patch that is no object."""
    if not isinstance(patch, dict):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {_go_type(patch)} into Go value of type "
            "map[string]interface {}"
        )
    return _merge(document, patch)


def merge_patch_between(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The merge patch that makes `new` of `old`; empty where they are equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch_between(before, value):
                patch[key] = inner
        elif not same(before, value):
            patch[key] = value
    return patch


def same(left: Json, right: Json) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1."""
    if left is right:
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def _merge(document: Json, patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merge(result.get(key), value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _go_type(value: Json) -> str:
    """What Go's decoder calls a JSON value in its messages."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")
