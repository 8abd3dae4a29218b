"""What tests of the laws share: Hypothesis settings that do not depend on the machine's speed, exact expectations."""

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from serinus_judging.sequential import evalue

Floats = npt.NDArray[np.float64]

lawful = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
"""For every property: no deadlines, the same examples each time."""

trials = st.integers(0, 60).map(lambda k: float(round(10 ** (k / 10))))
"""1 to 10^6, evenly in the logarithm."""
rates = st.one_of(st.floats(1e-6, 0.05), st.floats(0.05, 0.95))
ratios = st.sampled_from([0.2, 0.5, 0.9, 1.0, 1.05, 1.25, 2.0, 5.0])
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
) -> float:
    """ln e of one look as a plain number."""
    return float(evalue.log_evalue(x, n, y, m, b, ratio, absolute, psi, rate))


def log_expectation(
    p: Floats, s: Floats, n: float, m: float, b: float, ratio: float, absolute: float, psi: float
) -> Floats:
    """ln E[e] in closed form when the canary's n trials have rate p, stable's m have s; exact as ln e is linear."""
    none = log_value(0, n, 0, m, b, ratio, absolute, psi)
    per_x = log_value(n, n, 0, m, b, ratio, absolute, psi) - none
    per_y = log_value(0, n, m, m, b, ratio, absolute, psi) - none
    result: Floats = none + n * np.log1p(p * np.expm1(per_x / n)) + m * np.log1p(s * np.expm1(per_y / m))
    return result
