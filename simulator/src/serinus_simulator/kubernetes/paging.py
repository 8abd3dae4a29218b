"""Long lists in parts: tokens that name a revision and where the next part begins."""

from __future__ import annotations

import base64
import json

from serinus_simulator.kubernetes import failures
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.watch import encode

Start = tuple[str, str]
"""Namespace and name of the first object of a part."""


def token(revision: int, start: Start) -> str:
    """Where a list goes on, as `continue` holds it."""
    return base64.urlsafe_b64encode(encode({"v": "meta.k8s.io/v1", "rv": revision, "start": start})).decode()


def continued(text: str) -> tuple[int, Start]:
    """Revision and first object of the next part. Raises ApiError 400 for what is no such token."""
    try:
        parsed = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        start = parsed["start"]
        pair = start.strip("/").split("\0")[0].rpartition("/")[::2] if isinstance(start, str) else tuple(start)
        return int(parsed["rv"]), (str(pair[0]), str(pair[1]))
    except (ValueError, KeyError, TypeError, IndexError):
        raise failures.bad_request("continue key is not valid") from None


def expired(start: Start) -> ApiError:
    """410, with a token by which the rest can still be had, at another revision."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    return ApiError(410, message, metadata={"continue": token(-1, start)})
