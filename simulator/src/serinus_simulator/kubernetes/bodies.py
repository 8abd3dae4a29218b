"""What requests carry: objects and patches, and Go's words for what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from serinus_simulator.kubernetes import failures
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import Kind, Object
from serinus_simulator.kubernetes.patch import apply_json_patch, apply_merge_patch


def patch_of(kind: Kind, content_type: str, body: bytes) -> Callable[[Object], Object]:
    """How a patch of this content type changes an object. Raises ApiError 400, 415."""
    media_type = content_type.partition(";")[0].strip()
    if media_type == "application/json-patch+json":
        operations = _decoded(body)
        return lambda old: apply_json_patch(old, operations)
    mergeable = media_type == "application/merge-patch+json"
    if mergeable or (media_type == "application/strategic-merge-patch+json" and not kind.custom):
        patch = _decoded(body)
        return lambda old: apply_merge_patch(old, patch)
    if media_type.startswith("application/apply-patch"):
        raise ApiError(501, "the simulator has no server-side apply", reason="NotImplemented")
    raise failures.unsupported_patch()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise failures.bad_request(f"error decoding patch: {_go_syntax_error(body, error)}") from None


def object_of(body: bytes) -> Object:
    """Raises ApiError 400 for what is no JSON object."""
    try:
        parsed = json.loads(body)
    except ValueError as error:
        message = f"the object provided is unrecognized (must be of type Object): {_go_syntax_error(body, error)}"
        raise failures.bad_request(message) from None
    if not isinstance(parsed, dict):
        raise failures.bad_request("the object provided is unrecognized (must be of type Object)")
    return parsed


def _go_syntax_error(body: bytes, error: ValueError) -> str:
    text = body.decode("utf-8", "replace")
    position = getattr(error, "pos", len(text))
    if position >= len(text.rstrip()):
        return "unexpected end of JSON input"
    place = "beginning of object key string" if "property name" in str(error) else "beginning of value"
    return f"invalid character '{text[position]}' looking for {place}"
