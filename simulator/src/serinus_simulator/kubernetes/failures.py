"""What the API server answers when it refuses: a Status object, as the recordings show it."""

from __future__ import annotations

from typing import Any

from serinus_simulator.kubernetes.calls import Call

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")


class ApiError(Exception):
    """A refused request: its HTTP code and the Status object of the answer."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata or {},
            "status": "Failure",
            "message": message,
            "code": code,
        }
        if reason is None:
            reason = REASONS.get(code, "")
        if reason:
            self.body["reason"] = reason
        if details is not None:
            self.body["details"] = details


def _qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def _details(group: str, plural: str, name: str) -> dict[str, Any]:
    return ({"name": name} if name else {}) | ({"group": group} if group else {}) | {"kind": plural}


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404."""
    message = f'{_qualified(group, plural)} "{name}" not found'
    return ApiError(404, message, details=_details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """409 for a name that is taken."""
    message = f'{_qualified(group, plural)} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_details(group, plural, name))


def conflict(group: str, plural: str, name: str) -> ApiError:
    """409 for an object that was changed since it was read."""
    message = (
        f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, message, details=_details(group, plural, name))


def forbidden(verb: str, group: str, plural: str, subresource: str, namespace: str, name: str) -> ApiError:
    """403."""
    resource = f"{plural}/{subresource}" if subresource else plural
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    about = f'{_qualified(group, plural)} "{name}"' if name else _qualified(group, plural)
    message = (
        f'{about} is forbidden: User "system:serviceaccount:default:anyone" cannot {verb} '
        f'resource "{resource}" in API group "{group}" {place}'
    )
    return ApiError(403, message, details=_details(group, plural, name))


def patch_refused() -> ApiError:
    """A JSON patch that cannot be applied: the server says no more than this, whatever the cause."""
    return ApiError(422, "the server rejected our request due to an error in our request", details={})


def unsupported_patch() -> ApiError:
    """415."""
    accepted = ", ".join(PATCH_TYPES)
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, message)


def expired(oldest: int, asked: int) -> ApiError:
    """410 for a resourceVersion that is older than the oldest kept."""
    return ApiError(410, f"too old resource version: {asked} ({oldest})")


def invalid(group: str, kind: str, name: str, causes: list[dict[str, str]]) -> ApiError:
    """422; each cause has `field` and `message`."""
    about = f"{kind}.{group}" if group else kind
    sentences = [f"{cause['field']}: {cause['message']}" for cause in causes]
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    details = {"name": name, "group": group, "kind": kind, "causes": causes}
    return ApiError(422, f'{about} "{name}" is invalid: {text}', details=details)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, message)


def of_code(code: int, call: Call) -> ApiError:
    """The answer that belongs to a code, as a real server would word it for this call."""
    if code == 403:
        return forbidden(call.verb, call.group, call.resource, call.subresource, call.namespace, call.name)
    if code == 404:
        return not_found(call.group, call.resource, call.name)
    if code == 409:
        return conflict(call.group, call.resource, call.name)
    if code == 410:
        return expired(1, 0)
    if code == 422:
        return patch_refused()
    messages = {
        401: "Unauthorized",
        429: "Too many requests, please try again later.",
        500: "Internal error occurred: the simulator was told to fail",
        503: "the server is currently unable to handle the request",
        504: "Timeout: request did not complete within requested timeout",
    }
    return ApiError(code, messages.get(code, "the simulator was told to fail"))
