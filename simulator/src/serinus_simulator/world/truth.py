"""What really was: every answer of a metrics page, with the counters it showed and those that no restart hides."""

from __future__ import annotations

import json
import math
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from serinus_simulator.prometheus.series import Series


@dataclass(frozen=True, slots=True)
class Scrape:
    """One look at one pod. `time` is in milliseconds; a missed one has no values."""

    time: int
    by: str
    namespace: str
    rollout: str
    pod: str
    hash: str
    arm: str
    ok: bool
    series: tuple[Series, ...]
    exposed: array[float] | None
    total: array[float]

    def describe(self) -> dict[str, Any]:
        """As a line of the file."""
        return {
            "time": self.time,
            "by": self.by,
            "namespace": self.namespace,
            "rollout": self.rollout,
            "pod": self.pod,
            "hash": self.hash,
            "arm": self.arm,
            "ok": self.ok,
            "values": None if self.exposed is None else _named(self.series, self.exposed),
            "totals": _named(self.series, self.total),
        }


def _named(series: tuple[Series, ...], row: array[float]) -> dict[str, float]:
    return {
        str(one): int(value) if value == int(value) else value
        for one, value in zip(series, row, strict=True)
        if not math.isnan(value)
    }


class Truth:
    """The last `limit` scrapes, and all of them in a file of JSON Lines where one is given."""

    def __init__(self, limit: int, path: Path | None = None) -> None:
        self._scrapes: deque[Scrape] = deque(maxlen=limit)
        self._file: IO[str] | None = path.open("a", buffering=1, encoding="utf-8") if path else None

    def add(self, scrape: Scrape) -> None:
        """Keep it, and write it to the file."""
        self._scrapes.append(scrape)
        if self._file is not None:
            self._file.write(json.dumps(scrape.describe(), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """End the file; what comes after is only kept."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def since(self, time: int = 0, namespace: str | None = None, rollout: str | None = None) -> Iterator[Scrape]:
        """Scrapes after a time in milliseconds, in order."""
        for scrape in self._scrapes:
            if scrape.time > time and namespace in (None, scrape.namespace) and rollout in (None, scrape.rollout):
                yield scrape
