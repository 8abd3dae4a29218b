"""Series as Prometheus names and writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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
        if not self.labels:
            return self.name
        return f"{self.name}{{{','.join(f'{key}={quote(value)}' for key, value in self.labels)}}}"


def quote(value: str) -> str:
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
