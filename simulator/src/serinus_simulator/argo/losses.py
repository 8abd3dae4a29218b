"""How often v1.9.1 loses what it is told, by the time since the pause began, as it was measured on a real API server.

Right after a pause its controller most likely still works from an older version of the Rollout; two seconds later it
has seen its own writes.
"""

from __future__ import annotations

import numpy as np

PROMOTES = ((0.0, 45 / 63), (0.1, 6 / 13), (0.3, 2 / 11), (1.0, 2 / 11), (2.0, 0.0))
"""Seconds since the pause began, and the share that was lost: of 63, 13, 11, 11 and 12."""
ABORTS = ((0.0, 7 / 15), (2.0, 1 / 8))
"""The same of 15 and 8; nothing was measured later, so the last share stays."""


def chance(measured: tuple[tuple[float, float], ...], seconds: float) -> float:
    """The probability so long after the pause began, straight between what was measured."""
    times, shares = zip(*measured, strict=True)
    return float(np.interp(seconds, times, shares))
