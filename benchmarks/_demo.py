"""Runs in which the verdict moves the weight: as large as the demo, on what is assumed of the noise."""

from dataclasses import dataclass

import numpy as np
from serinus_judging.sequential import combination
from serinus_judging.sequential.layout import key_of, layout

from benchmarks._plans import plan, proportion
from benchmarks._serinus import ALPHA, BETA, Batch, noise_of
from benchmarks._worlds import RAMP, World

GATE = 5
"""Evaluations of a second that a noRegression gate waits at least."""
MOST = 2000


@dataclass(frozen=True)
class Demo:
    """How long the runs took: seconds (runs,), the stage in which each was aborted, -1 for none, promoted (runs,)."""

    seconds: np.ndarray
    aborted: np.ndarray
    promoted: np.ndarray


def demo(per_second: int, bad: float | None, runs: int = 30, seed: int = 4, base: float = 0.002) -> Demo:
    """Stages 1, 5, 10, 25 and 50 %, gates of noRegression and at last nonInferiority; margin 1.25 and 0.001.

    bad: the canary's rate of errors from the 10 % stage on. The metric has half of the false-abort rate, as beside
    a second one.
    """
    random = np.random.default_rng([seed, per_second])
    metric = proportion("errors", 1.25, 0.001, critical=True)
    rule = plan((metric,), RAMP, ("noRegression",) * 4 + ("nonInferiority",))
    world = World("demo", base)
    batch = Batch.of(layout(key_of(rule), ()), noise_of(world, runs, "assumed", seed))
    stage, began = np.zeros(runs, dtype=int), np.zeros(runs, dtype=int)
    seconds = np.zeros(runs)
    aborted, promoted = np.full(runs, -1), np.zeros(runs, dtype=bool)
    fresh = np.ones(runs, dtype=bool)
    for now in range(1, MOST + 1):
        going = (aborted < 0) & ~promoted
        if not going.any():
            break
        n = np.floor(per_second * np.array(RAMP)[stage])
        m = per_second - n
        worse = np.where(stage >= 2, bad, base) if bad else np.full(runs, base)
        x, y = random.binomial(n.astype(int), worse), random.binomial(m.astype(int), base)
        batch.evaluate(np.stack([x, n, y, m]).astype(float)[..., None], stage, fresh, going)
        log_m, log_n = batch.evidence()
        both = np.logaddexp(log_m + np.log(0.5), np.log(0.5))
        seconds[going] = now
        aborted = np.where(going & (both >= combination.log_threshold(ALPHA)), stage, aborted)
        calm = (aborted < 0) & (both < combination.log_threshold(ALPHA) / 2) & (now - began >= GATE)
        last = stage == len(RAMP) - 1
        promoted |= going & calm & last & (log_n >= combination.log_threshold(BETA))
        fresh = going & calm & ~last
        stage, began = stage + fresh, np.where(fresh, now, began)
    return Demo(seconds, aborted, promoted)
