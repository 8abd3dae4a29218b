"""JSON patch and merge patch as the API server applies them, which is not quite as their RFCs say.

`replace` of an absent member adds it and `test` of null passes on an absent one; both are in the recordings and a
guard that relies on either must meet it here too.
"""

from __future__ import annotations

import copy
from typing import Any

from serinus_simulator.failures import bad_request, patch_refused

Json = Any
_ABSENT = object()


def apply_json_patch(document: Json, operations: Json) -> Json:
    """A new document; the given one is left alone. Raises ApiError: 400 for what is no list, 422 for the rest."""
    if not isinstance(operations, list):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {_go_type(operations)} into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    result = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {_go_type(operation)} into Go value of type "
                "handlers.jsonPatchOp"
            )
        result = _apply(result, operation)
    return result


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


def _apply(document: Json, operation: dict[str, Any]) -> Json:
    kind, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str):
        raise patch_refused()
    tokens = _tokens(path)
    if kind == "test":
        value = _read(document, tokens)
        expected = operation.get("value")
        if not (same(value, expected) or (value is _ABSENT and expected is None)):
            raise patch_refused()
        return document
    if kind in ("add", "replace"):
        return _write(document, tokens, copy.deepcopy(operation.get("value")), insert=kind == "add")
    if kind == "remove":
        return _remove(document, tokens)
    if kind in ("move", "copy"):
        source = _tokens(operation.get("from"))
        value = _read(document, source)
        if value is _ABSENT:
            raise patch_refused()
        if kind == "move":
            document = _remove(document, source)
        return _write(document, tokens, copy.deepcopy(value), insert=True)
    raise patch_refused()


def _tokens(path: Json) -> list[str]:
    if path == "":
        return []
    if not isinstance(path, str) or not path.startswith("/"):
        raise patch_refused()
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _index(token: str, length: int) -> int:
    """A list index below `length`; raises ApiError 422."""
    if token.isascii() and token.isdigit() and int(token) < length:
        return int(token)
    raise patch_refused()


def _read(document: Json, tokens: list[str]) -> Json:
    for token in tokens:
        if isinstance(document, dict):
            document = document.get(token, _ABSENT)
        elif isinstance(document, list) and token.isdigit() and int(token) < len(document):
            document = document[int(token)]
        else:
            return _ABSENT
    return document


def _parent(document: Json, tokens: list[str]) -> Json:
    parent = _read(document, tokens[:-1])
    if not isinstance(parent, dict | list):
        raise patch_refused()
    return parent


def _write(document: Json, tokens: list[str], value: Json, *, insert: bool) -> Json:
    if not tokens:
        return value
    parent, last = _parent(document, tokens), tokens[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif insert and last == "-":
        parent.append(value)
    elif insert:
        parent.insert(_index(last, len(parent) + 1), value)
    else:
        parent[_index(last, len(parent))] = value
    return document


def _remove(document: Json, tokens: list[str]) -> Json:
    if not tokens:
        raise patch_refused()
    parent, last = _parent(document, tokens), tokens[-1]
    if isinstance(parent, list):
        del parent[_index(last, len(parent))]
    elif last in parent:
        del parent[last]
    else:
        raise patch_refused()
    return document


def _go_type(value: Json) -> str:
    """What Go's decoder calls a JSON value in its messages."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")
