"""Kayenta's classifier and score, and the judge that feeds them."""

import numpy as np
import pytest
from serinus_contracts.events import Measurement
from serinus_contracts.judge import KayentaRule
from serinus_judging.rules.kayenta import Points, classify, group_score, score, without_outliers

from tests.unit.judging.builders import gauge, latency, metric, missing, plan, proportion, snapshot, values
from tests.unit.judging.ruled_runs import alike, ruled, within

RULE = KayentaRule(name="kayenta")
E, C = np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 3, 4])


def label(canary: np.ndarray, stable: np.ndarray, direction: str = "increase", tolerance: float = 0.25) -> str:
    return classify(canary, stable, direction, tolerance, 0.95).label  # type: ignore[arg-type]


def test_the_example_is_high() -> None:
    """Interval 6 to 39, estimate 22.5: 6 > 0.25 * 22.5 = 5.6."""
    found = classify(E, C, "increase", 0.25, 0.95)
    assert (found.label, found.shift, found.ratio) == ("High", (6, 39, 22.5), 10)


def test_a_shift_in_the_good_direction_passes() -> None:
    assert label(E, C, "decrease") == "Pass"
    assert label(C, E, "increase") == "Pass"
    assert label(C, E, "decrease") == "Low"


def test_within_the_tolerance_of_its_estimate_a_shift_passes() -> None:
    assert label(E, C, tolerance=0.27) == "Pass"  # 6 < 0.27 * 22.5 = 6.075


def test_equal_and_constant_points_pass_and_none_are_no_data() -> None:
    assert label(E, E[::-1]) == "Pass"
    assert label(np.ones(5), np.ones(3)) == "Pass"
    assert label(np.array([]), C) == label(E, np.array([])) == "Nodata"


def test_a_constant_difference_is_high_however_small() -> None:
    assert label(np.full(20, 1.001), np.full(20, 1.0)) == "High"


def test_a_shift_against_the_means_passes() -> None:
    """Nine of ten are higher, one outlier makes the canary's mean the lower one."""
    canary, stable = np.array([*[2.0] * 9, -100]), np.array([*[1.0] * 9, 1.5])
    assert classify(canary, stable, "increase", 0.25, 0.95).ratio < 0
    assert label(canary, stable) == "Pass"


def test_only_what_is_beyond_fences_and_percentiles_is_an_outlier() -> None:
    few = np.array([*range(50), 10_000.0])
    assert without_outliers(few).tolist() == few.tolist()
    many = np.array([*range(300), 10_000.0, -10_000.0])
    assert without_outliers(many).tolist() == list(range(300))
    assert without_outliers(np.array([])).size == 0


def test_the_score_of_groups_by_weight() -> None:
    """One of three passes in a group of weight 15, none of one in a group of weight 85: 5 of 100."""
    assert group_score(["High", "Low", "Pass"]) == pytest.approx(100 / 3)
    assert score([(15, ["High", "Low", "Pass"]), (85, ["High"])]) == pytest.approx(5.0)
    assert group_score(["Nodata", "Pass"]) == 50


def varied(
    rate: float, snapshots: int = 10, stable: float = 0.02, name: str = "errors"
) -> list[dict[str, Measurement]]:
    """Rates of 1,000 that wander by a few."""
    return [
        {name: proportion(round(1000 * rate) + i % 3, 1000, round(1000 * stable) + (i + 1) % 3, 1000)}
        for i in range(snapshots)
    ]


def test_the_points_of_a_run_are_rates_of_snapshots() -> None:
    rules = plan(metric(), metric("conversion", better="higher"), latency(), gauge(), judge=RULE)
    evidence, _ = ruled(
        rules,
        [
            *alike(
                1,
                errors=proportion(1, 4, 1, 8),
                conversion=proportion(1, 2, 3, 4),
                latency=within({0.2: 100}, {0.4: 100}),
                memory=values([0.25, 0.75], [0.125]),
            ),
            *alike(1, first=2, errors=missing(), memory=values([1.0], [])),
        ],
    )
    assert isinstance(evidence, Points)
    assert evidence.table[0].tolist() == [[0.25, 0.125], [0.5, 0.75], pytest.approx([0.195, 0.395]), [0.5, 0.125]]
    assert np.isnan(evidence.table[1]).tolist() == [[True, True], [True, True], [True, True], [False, True]]
    assert evidence.of(0, 0).tolist() == [0.25]
    assert evidence.of(3, 0).tolist() == [0.5, 1.0]


def test_what_passes_proceeds_and_what_is_high_aborts() -> None:
    rules = plan(metric(), minimum=300, judge=RULE)
    _, good = ruled(rules, [snapshot(each, i + 1) for i, each in enumerate(varied(0.02))])
    assert (good.verdict, good.score) == ("proceed", 100)
    assert good.sentence == "proceed: kayenta scores 100 of 100, 95 passes, on 10 snapshots; 5 min at 50 %"
    _, bad = ruled(rules, [snapshot(each, i + 1) for i, each in enumerate(varied(0.04))])
    assert (bad.verdict, bad.score, bad.regressed) == ("abort", 0, ("errors",))
    assert bad.sentence.startswith("abort: kayenta scores 0 of 100, 75 needed: errors High: shifted by +2 % (")


def test_conversions_that_fall_are_low() -> None:
    rules = plan(metric("conversion", better="higher"), minimum=300, judge=RULE)
    snapshots = [snapshot(each, i + 1) for i, each in enumerate(varied(0.1, stable=0.2, name="conversion"))]
    _, found = ruled(rules, snapshots)
    assert (found.verdict, "conversion Low: shifted by -10 %" in found.sentence) == ("abort", True)


def both(first: float, second: float, weights: tuple[float, float], critical: bool = False) -> tuple[str, float | None]:
    rules = plan(
        metric("a", weight=weights[0]), metric("b", weight=weights[1], critical=critical), minimum=300, judge=RULE
    )
    a, b = varied(first, name="a"), varied(second, name="b")
    _, found = ruled(rules, [snapshot(x | y, i + 1) for i, (x, y) in enumerate(zip(a, b, strict=True))])
    return found.verdict, found.score


def test_between_marginal_and_pass_it_holds() -> None:
    assert both(0.02, 0.04, (8, 2)) == ("hold", 80)
    assert both(0.02, 0.04, (7, 3)) == ("abort", 70)
    assert both(0.02, 0.04, (96, 4)) == ("proceed", 96)


def test_a_critical_metric_that_fails_leaves_no_points() -> None:
    assert both(0.02, 0.04, (96, 4), critical=True) == ("abort", 0)


def test_old_points_are_forgotten() -> None:
    rules = plan(metric(), minimum=300, maximum=10**6, judge=RULE)
    snapshots = varied(0.04, 30) + varied(0.02, 120)
    evidence, found = ruled(rules, [snapshot(each, i + 1) for i, each in enumerate(snapshots) if i >= 30], None)
    assert isinstance(evidence, Points)
    assert len(evidence.table) == 120
    assert found.verdict == "proceed"
