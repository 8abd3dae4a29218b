"""What tests of the laws share: Hypothesis settings that do not depend on the machine's speed, exact expectations."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from serinus_judging.sequential import evalue

Floats = npt.NDArray[np.floating[Any]]

lawful = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
"""For every property: no deadlines, the same examples each time."""

trials = st.integers(0, 120).map(lambda k: float(round(10 ** (k / 10))))
"""1 to 10^12, evenly in the logarithm."""
small = st.floats(-9.0, -0.31).map(lambda power: float(10**power))
rates = st.one_of(small, st.floats(0.05, 0.95), small.map(lambda rest: 1 - rest))
"""10^-9 to 1 - 10^-9, as many near 1 as near 0."""
ratios = st.sampled_from([0.2, 0.5, 0.9, 0.9999, 1.0, 1.0001, 1.05, 1.25, 2.0, 5.0])
absolutes = st.sampled_from([0.0, 0.0, 1e-4, 0.001, 0.01, 0.1])
worse = st.sampled_from([1.05, 1.25, 2.0, 5.0, 30.0])
better = worse.map(lambda psi: 1 / psi)


def log_value(
    x: float,
    n: float,
    y: float,
    m: float,
    b: float,
    ratio: float,
    absolute: float,
    psi: float,
    rate: bool = False,
    scale: float = 1.0,
) -> float:
    """ln e of one look as a plain number; scale: of the margin, as in the rows of an interval."""
    if scale == 1:
        return float(evalue.log_evalue(x, n, y, m, b, ratio, absolute, psi, rate))
    columns = [np.array([v]) for v in (x, n, y, m, b, ratio, absolute, scale, psi)]
    rare = evalue.is_rare(columns[4], ratio * columns[4] + absolute, np.array([rate]))
    form = int(evalue.form(rare, columns[5], columns[6])[0])
    return float(evalue.log_evalue_by_form(form, *columns)[0])


def log_expectation(
    p: Floats,
    s: Floats,
    n: float,
    m: float,
    b: float,
    ratio: float,
    absolute: float,
    psi: float,
    scale: float = 1.0,
) -> Floats:
    """ln E[e] in closed form when the canary's n trials have rate p, stable's m have s; exact as ln e is linear.

    In extended precision, where the machine has it: a double has too few digits for 10^12 trials.
    """
    corners = ((0.0, 0.0), (n, 0.0), (0.0, m))
    none, all_x, all_y = (
        np.longdouble(log_value(x, n, y, m, b, ratio, absolute, psi, scale=scale)) for x, y in corners
    )
    per_x, per_y = (all_x - none) / np.longdouble(n), (all_y - none) / np.longdouble(m)
    result: Floats = none + n * np.log1p(p * np.expm1(per_x)) + m * np.log1p(s * np.expm1(per_y))
    return result
