"""Series as Prometheus names and writes them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

_CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
ABSENT = math.nan
"""No value shown here is ever NaN, so it can stand for a series that is not there."""


@dataclass(frozen=True)
class Series:
    """One series as a page shows it, without the labels that its target adds."""

    name: str
    labels: tuple[tuple[str, str], ...]
    family: str = ""
    kind: str = "counter"

    def __str__(self) -> str:
        parts = [f"{named(key)}={quote(value)}" for key, value in self.labels]
        if named(self.name) != self.name:
            return f"{{{','.join([quote(self.name), *parts])}}}"
        return f"{self.name}{{{','.join(parts)}}}" if parts else self.name


def named(name: str) -> str:
    """A name as pages show it: in quotes where it is none of the classic names."""
    return name if _CLASSIC.fullmatch(name) else quote(name)


def quote(value: str) -> str:
    """A label's value as PromQL and the text format write it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def number(value: float) -> str:
    """A value as Prometheus writes it: whole numbers without a fraction, no exponent."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value == int(value):
        return str(int(value))
    return np.format_float_positional(value, trim="-")


def edge(value: float) -> str:
    """An upper bound as Prometheus 3 writes it: always with a fraction."""
    return str(float(value))
