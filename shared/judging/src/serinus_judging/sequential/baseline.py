"""Stable's rate, predicted before each snapshot is opened (docs/explanation/judging.md, "Baseline").

A discounted past: half of what is known is forgotten every ten minutes, so that the prediction follows the day.
"""

import numpy as np

from serinus_judging.arrays import Bools, Floats

HALF_LIFE = 600.0
"""Seconds after which a count weighs half."""


def predicted(past: Floats) -> Floats:
    """b = (X + 1/2) / (M + 1), above 0 and for shares below 1; past (2, ...) holds X events of M trials."""
    result: Floats = (past[0] + 0.5) / (past[1] + 1)
    return result


def remembered(past: Floats, fresh: Floats, seconds: Floats, valid: Bools) -> Floats:
    """The past (2, ...) after stable's events and trials `fresh` (2, ...) of windows `seconds` (...) long.

    Unchanged where the snapshot is not valid (...).
    """
    after = past * np.exp2(np.maximum(seconds, 0) / -HALF_LIFE) + fresh
    return after if valid.all() else np.where(valid, after, past)
