"""Counts by strata keep the law of one count: whatever mix the arms get, and whatever strata there are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serinus_judging.sequential import strata

from tests.unit.judging.laws import Floats, absolutes, better, lawful, log_value, rates, ratios, worse

counted = st.integers(0, 60).map(lambda k: float(round(10 ** (k / 10))))
"""1 to 10^6 trials."""


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats]:
    """n, m, predicted b and true rates of stable in one to six strata, the arms with mixes of their own."""
    k = draw(st.integers(1, 6))
    columns = [draw(st.lists(each, min_size=k, max_size=k)) for each in (counted, counted, rates, rates)]
    n, m, b, s = (np.array(column) for column in columns)
    return n, m, b, s


def value(x: Any, n: Floats, y: Any, m: Floats, b: Floats, share: bool, margin: tuple[float, ...], psi: float) -> float:
    ratio, absolute, scale = margin
    counts = np.array([np.broadcast_to(v, n.shape) for v in (x, n, y, m)], dtype=np.float64)
    predicted = b.astype(np.float64)
    return float(strata.log_evalue(counts, predicted, share, ratio, absolute, np.array([scale]), np.array([psi]))[0])


def log_expectation(
    world: tuple[Floats, ...], canary: Floats, share: bool, margin: tuple[float, ...], psi: float
) -> float:
    """ln E[e], in closed form since ln e is linear in the counts: of shares binomial, of rates Poisson."""
    n, m, b, s = world
    none = value(0, n, 0, m, b, share, margin, psi)
    one = np.eye(len(n))
    per_x = np.array([value(n * i, n, 0, m, b, share, margin, psi) - none for i in one]) / n
    per_y = np.array([value(0, n, m * i, m, b, share, margin, psi) - none for i in one]) / m
    if share:
        parts = n * np.log1p(canary * np.expm1(per_x)) + m * np.log1p(s * np.expm1(per_y))
    else:
        parts = n * canary * np.expm1(per_x) + m * s * np.expm1(per_y)
    return none + float(parts.sum())


def tolerance(world: tuple[Floats, ...]) -> float:
    n, m, _, _ = world
    return 1e-8 + 1e-13 * float((n + m).sum())


@lawful
@given(
    worlds(),
    ratios,
    absolutes,
    st.sampled_from([0.1, 0.7, 1.0, 3.0, 10.0]),
    worse,
    st.lists(st.floats(0, 1), min_size=6),
)
def test_strata_within_the_margin_are_expected_to_be_worth_at_most_nothing(
    world: tuple[Floats, ...], ratio: float, absolute: float, scale: float, psi: float, parts: list[float]
) -> None:
    s = world[3]
    canary = np.minimum(scale * (ratio * s + absolute), 1) * np.array(parts[: len(s)])
    for part in (canary, np.minimum(scale * (ratio * s + absolute), 1)):
        for share in (True, False):
            assert log_expectation(world, part, share, (ratio, absolute, scale), psi) <= tolerance(world)


@lawful
@given(worlds(), ratios, absolutes, st.sampled_from([0.1, 1.0, 3.0]), better, st.lists(st.floats(0, 1), min_size=6))
def test_strata_beyond_the_margin_are_expected_to_show_nothing_of_being_within_it(
    world: tuple[Floats, ...], ratio: float, absolute: float, scale: float, psi: float, parts: list[float]
) -> None:
    n, m, b, s = world
    some = scale * (ratio * s + absolute) <= 1  # a rate beyond is none
    if not some.any():
        return
    world = n[some], m[some], b[some], s[some]
    edge = scale * (ratio * s[some] + absolute)
    beyond = edge + (1 - edge) * np.array(parts[: len(s)])[some]
    for canary in (edge, beyond):
        assert log_expectation(world, canary, True, (ratio, absolute, scale), psi) <= tolerance(world)
        assert log_expectation(world, canary, False, (ratio, absolute, scale), psi) <= tolerance(world)


@lawful
@given(st.lists(st.tuples(counted, st.floats(1e-4, 0.2)), min_size=2, max_size=5), st.sampled_from([1.1, 2.0]))
def test_a_canary_within_the_margin_on_average_over_its_own_mix_is_within_it(
    drawn: list[tuple[float, float]], psi: float
) -> None:
    """Worse in one stratum, better in another: what counts is the average of the canary's requests."""
    n = np.array([trials for trials, _ in drawn])
    s = np.array([rate for _, rate in drawn])
    world = n, 30 * n[::-1] + 30 * n, s, s
    canary = s.copy()
    more = min(0.5 * s[0] * n[0], 0.9 * s[1] * n[1])
    canary[0], canary[1] = s[0] + more / n[0], s[1] - more / n[1]
    assert log_expectation(world, canary, True, (1.0, 0.0, 1.0), psi) <= tolerance(world)
    assert log_expectation(world, canary, False, (1.0, 0.0, 1.0), 1 / psi) <= tolerance(world)


@pytest.mark.parametrize("b", [1e-4, 0.01, 0.2, 0.9])
@pytest.mark.parametrize("psi", [1.1, 2.0, 10.0, 0.5])
@pytest.mark.parametrize("absolute", [0.0, 0.001])
def test_one_stratum_is_worth_what_one_count_is(b: float, psi: float, absolute: float) -> None:
    n, m = np.array([2_000.0]), np.array([38_000.0])
    for more in (0.5, 1.0, 2.0):
        x, y = round(2000 * min(b * more, 0.99)), round(38_000 * b)
        alone = log_value(x, 2000, y, 38_000, b, 1.0, absolute, psi)
        assert value(x, n, y, m, np.array([b]), True, (1.0, absolute, 1.0), psi) == pytest.approx(
            alone, rel=0.05, abs=0.02
        )


def test_a_mix_of_its_own_is_no_evidence_against_an_arm() -> None:
    """Half of the canary's requests are of clients that fail ten times as often as others, a fifth of stable's."""
    n, m, b = np.array([5_000.0, 5_000.0]), np.array([20_000.0, 80_000.0]), np.array([0.01, 0.001])
    assert value(n * b, n, m * b, m, b, True, (1.0, 0.0, 1.0), 2.0) < 0
    pooled = log_value(55, 10_000, 280, 100_000, 0.0028, 1.0, 0.0, 2.0)
    assert pooled > 4


@lawful
@given(worlds(), st.sampled_from([1.1, 2.0, 10.0]), st.floats(0.1, 1.0))
def test_with_one_stake_only_a_canary_that_is_within_its_margin_on_average_is_shown_to_be(
    world: tuple[Floats, ...], psi: float, part: float
) -> None:
    """However few requests stable has in a stratum: worse in the first, better in the last, as bad on average."""
    n, m, b, s = world
    if len(n) < 2:
        return
    more = part * min((1 - s[0]) * n[0], s[-1] * n[-1])
    canary = s.copy()
    canary[0], canary[-1] = s[0] + more / n[0], s[-1] - more / n[-1]

    def proof(x: Floats, y: Floats) -> float:
        counts = np.array([x, n, y, m], dtype=np.float64)
        one = np.ones(1)
        return float(strata.log_evalue(counts, b.astype(np.float64), True, 1.0, 0.0, one, one / psi, one_stake=True)[0])

    zero, each = np.zeros(len(n)), np.eye(len(n))
    none = proof(zero, zero)
    per_x = np.array([proof(n * i, zero) - none for i in each]) / n
    per_y = np.array([proof(zero, m * i) - none for i in each]) / m
    parts = n * np.log1p(canary * np.expm1(per_x)) + m * np.log1p(s * np.expm1(per_y))
    assert none + parts.sum() <= tolerance(world)


@lawful
@given(worlds(), st.integers(0, 2_000), rates, st.booleans(), st.sampled_from([1.1, 2.0, 10.0, 0.5]), ratios)
def test_what_no_stratum_has_is_compared_with_all_of_stable_and_within_the_margin_worth_nothing(
    world: tuple[Floats, ...], left: int, own: float, share: bool, psi: float, ratio: float
) -> None:
    """The canary's requests of a kind of its own fail with a rate of their own; the others make up for the average."""
    n, m, b, s = world
    k = len(n)
    allowed = ratio * float((m * s).sum() / m.sum())
    others = np.minimum(ratio * s, 1.0)
    missing = left * (own - allowed)
    spare = float((n * others).sum())
    if (ratio * s > 1).any() or missing > spare:
        return
    canary = others * (1 - missing / spare) if missing > 0 else others
    if psi < 1:
        own = max(own, min(allowed, 1.0))
        canary = others
    past = np.stack((np.append((m * b).sum(), m * b), np.append(m.sum(), m)))
    valid = np.ones(k + 1, dtype=bool)

    def log_e(x: Floats, y: Floats, of_left: float) -> float:
        places = np.array([x, n, y, m], dtype=np.float64)
        whole = np.add(places.sum(axis=1), (of_left, left, 0, 0))
        counts = np.concatenate((whole[:, None], places), axis=1)
        counts, predicted = strata.with_rest(counts, past, valid, (0, 1, k + 1), np.inf)
        return float(strata.log_evalue(counts, predicted, share, ratio, 0.0, np.ones(1), np.array([psi]), True)[0])

    none = log_e(0 * n, 0 * m, 0)
    per_x = np.array([log_e(n * i, 0 * m, 0) - none for i in np.eye(k)]) / n
    per_y = np.array([log_e(0 * n, m * i, 0) - none for i in np.eye(k)]) / m
    per_left = (log_e(0 * n, 0 * m, left) - none) / max(left, 1)
    parts = ((n, canary, per_x), (m, s, per_y), (np.array([left]), np.array([own]), np.array([per_left])))
    expected = none
    for trials, rate, each in parts:
        worth = np.log1p(rate * np.expm1(each)) if share else rate * np.expm1(each)
        expected += float((trials * worth).sum())
    assert expected <= tolerance(world) + 1e-9 * left


@lawful
@example((np.array([100.0]), np.array([900.0]), np.array([0.9]), np.array([0.9])), 0.05, 1.0, True, True)
@given(worlds(), st.sampled_from([0.05, 0.5, 0.95, 1.1, 10.0]), ratios, st.booleans(), st.booleans())
def test_a_stratum_without_requests_changes_nothing(
    world: tuple[Floats, ...], psi: float, ratio: float, share: bool, one_stake: bool
) -> None:
    n, m, b, _ = world
    x, y = np.floor(n * b), np.floor(m * b)
    scale, alternative = np.ones(1), np.array([psi])
    own = strata.log_evalue(
        np.array([x, n, y, m]), b.astype(np.float64), share, ratio, 0.0, scale, alternative, one_stake
    )
    for rate in (1e-12, 0.5, 1 - 1e-9):
        more = np.concatenate((np.array([x, n, y, m]), np.zeros((4, 1))), axis=1)
        beside = strata.log_evalue(
            more, np.append(b, rate).astype(np.float64), share, ratio, 0.0, scale, alternative, one_stake
        )
        assert beside == pytest.approx(own, rel=1e-9, abs=1e-12)
