"""The one place where a wall clock is read; everything else takes a `Clock`."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
