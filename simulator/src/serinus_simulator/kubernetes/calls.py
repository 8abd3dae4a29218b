"""What was asked of the API, in the words of RBAC, so that a Role can be compared with what was really used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its verb and what it was about; `namespace` and `name` are empty where there is none."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str

    @property
    def rbac_resource(self) -> str:
        """As a rule of a Role names it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class CallLog:
    """Counts of calls by verb, group, resource, subresource and namespace."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str, str]] = Counter()

    def add(self, call: Call) -> None:
        """Count it."""
        self._counts[call.verb, call.group, call.resource, call.subresource, call.namespace] += 1

    def clear(self) -> None:
        """Begin at nothing."""
        self._counts.clear()

    def describe(self) -> list[dict[str, Any]]:
        """The counts in order, as JSON."""
        names = ("verb", "group", "resource", "subresource", "namespace")
        return [dict(zip(names, key, strict=True)) | {"count": count} for key, count in sorted(self._counts.items())]
