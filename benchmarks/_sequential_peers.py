"""Sequential tests of the literature on the same counts, each with its bar set *on the truth*: so high that of the same
world's healthy canaries exactly as many are aborted as Serinus aborts. Nobody knows the noise of his own traffic so
well, and none of them promises anything at that bar: the comparison is of how they spend it.

A test gives evidence (runs, T) that grows where the canary is worse. To add one, write a function and name it in TESTS.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy.special import gammaln, log_ndtr
from serinus_judging.sequential.eprocess import ABORT_PRIOR, ABORT_PSI

from benchmarks._peers import Rule, outcome, scores
from benchmarks._serinus import Outcome
from benchmarks._worlds import Drawn, Floats

Test = Callable[[Drawn], Floats]

SCALE = np.log(2)
"""Standard deviation of ln of the ratio that the mixture expects."""
TUNED = 124
"""Makes the asymptotic sequence narrowest at a tenth of all information, at a rate of 1 %: (2 ln 100 + ln (2 ln 100) +
1) times ten."""
BOLDNESS = 0.9
"""The most that a bet may lose of what it has."""


def _arms(drawn: Drawn) -> tuple[Floats, Floats, Floats, Floats]:
    """x, n, y, m (runs, T) of which too many x are harm: where events are good the arms change places."""
    x, n, y, m = (v * drawn.valid for v in (drawn.x, drawn.n, drawn.y, drawn.m))
    return (y, m, x, n) if drawn.world.higher else (x, n, y, m)


def _share(n: Floats, m: Floats) -> Floats:
    return n / np.maximum(n + m, 1)


def mixture(drawn: Drawn) -> Floats:
    """Robbins' mixture SPRT: the score's likelihood ratio over half a normal distribution of effects."""
    score, variance = scores(drawn)
    spread = 1 + SCALE**2 * variance
    result: Floats = (
        (SCALE * score) ** 2 / (2 * spread) - np.log(spread) / 2 + log_ndtr(SCALE * score / np.sqrt(spread))
    )
    return result


def asymptotic(drawn: Drawn) -> Floats:
    """Asymptotic confidence sequence (Waudby-Smith and others, 2021)."""
    score, variance = scores(drawn)
    tuning = TUNED / np.maximum(variance[:, -1:].mean(), 1)
    spread = 1 + tuning * variance
    result: Floats = np.sign(score) * (tuning * score**2 / (2 * spread)) - np.log(spread) / 2
    return result


def lan_demets(drawn: Drawn) -> Floats:
    """O'Brien-Fleming's spending by information, of which the final amount is known."""
    score, variance = scores(drawn)
    result: Floats = score / np.sqrt(variance[:, -1:].mean())
    return result


def gamma_poisson(drawn: Drawn) -> Floats:
    """Bayes factor of two rates against one, each with a Gamma prior of one event at stable's true rate."""
    x, n, y, m = (np.cumsum(v, axis=1) for v in _arms(drawn))
    before = 1 / drawn.world.base if not drawn.world.durations else 20.0

    def marginal(events: Floats, trials: Floats) -> Floats:
        result: Floats = gammaln(1 + events) + np.log(before) - (1 + events) * np.log(before + trials)
        return result

    factor = marginal(x, n) + marginal(y, m) - marginal(x + y, n + m)
    return np.where(x * m > y * n, factor, -np.abs(factor))


def agrapa(drawn: Drawn) -> Floats:
    """Betting per event by approximate growth (Waudby-Smith and Ramdas, 2024), on the ratio seen so far."""
    x, n, y, m = _arms(drawn)
    before = [np.cumsum(v, axis=1) - v for v in (x, n, y, m)]
    ratio = (before[0] + 1) / (before[1] + 1) * (before[3] + 1) / (before[2] + 1)
    ratio = np.where(before[3] > 0, ratio, 1.0)
    share = _share(n, m)
    mean = share * ratio / (1 + share * (ratio - 1))
    gain = mean - share
    bet = np.clip(gain / np.maximum(mean * (1 - mean) + gain**2, 1e-12), 0, BOLDNESS / np.maximum(share, 1e-12))
    result: Floats = np.cumsum(x * np.log1p(bet * (1 - share)) + y * np.log1p(-bet * share), axis=1)
    return result


def _log_ratios(drawn: Drawn) -> Floats:
    """ln of the likelihood ratio of each evaluation, given how many events both arms have: (J, runs, T)."""
    x, n, y, m = _arms(drawn)
    psi = ABORT_PSI[:, None, None]
    share = _share(n, m)
    result: Floats = x * np.log(psi) - (x + y) * np.log1p(share * (psi - 1))
    return result


def shiryaev_roberts(drawn: Drawn) -> Floats:
    """Shiryaev and Roberts' sum over all onsets, averaged over Serinus' alternatives."""
    ratios = _log_ratios(drawn)
    rows, found = np.full(ratios.shape[:2], -np.inf), np.empty(ratios.shape[1:])
    for t in range(ratios.shape[2]):
        rows = np.logaddexp(rows, 0) + ratios[:, :, t]
        found[:, t] = np.logaddexp.reduce(rows + ABORT_PRIOR[:, None], axis=0)
    return found


def cusum(drawn: Drawn) -> Floats:
    """Generalised likelihood ratio: the best onset and the best of Serinus' alternatives."""
    sums = np.cumsum(_log_ratios(drawn), axis=2)
    least = np.minimum.accumulate(np.concatenate((np.zeros((*sums.shape[:2], 1)), sums[:, :, :-1]), axis=2), axis=2)
    result: Floats = (sums - least).max(axis=0)
    return result


def _at_equal_rate(test: Test, drawn: Drawn, null: Drawn, rate: float) -> Outcome:
    bar = np.quantile(test(null).max(axis=1), 1 - rate)
    return outcome(test(drawn) > bar)


TESTS: Mapping[str, Test] = {
    "mixture SPRT": mixture,
    "Gamma-Poisson": gamma_poisson,
    "Lan-DeMets": lan_demets,
    "asymptotic CS": asymptotic,
    "aGRAPA": agrapa,
    "Shiryaev-Roberts": shiryaev_roberts,
    "GLR-CUSUM": cusum,
}
"""By the name in the tables."""
SEQUENTIAL: Mapping[str, Rule] = {name: partial(_at_equal_rate, test) for name, test in TESTS.items()}
