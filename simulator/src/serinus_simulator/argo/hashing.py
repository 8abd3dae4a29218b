"""Short hashes of templates and steps: FNV-1a, written so that no words come of it, as Kubernetes names things.

The same template always has the same hash, which is what brings an old hash back on a retry or a rollback.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def pod_hash(template: dict[str, Any]) -> str:
    """The hash of a pod template; Argo's own default of `resources: {}` makes no difference to it."""
    spec = dict(template.get("spec") or {})
    spec["containers"] = [{"resources": {}} | container for container in spec.get("containers") or []]
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
    return _short({"metadata": metadata, "spec": spec})


def step_hash(steps: list[dict[str, Any]]) -> str:
    """The hash of the steps, by which Argo notices that they were edited."""
    return _short(steps)


def _short(value: Any) -> str:
    return _of_text(json.dumps(value, sort_keys=True, separators=(",", ":")))


@lru_cache(maxsize=8192)
def _of_text(text: str) -> str:
    number = 0x811C9DC5
    for byte in text.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))
