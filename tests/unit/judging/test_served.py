from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import MetricsCollected, Proportion, Window
from serinus_judging.served import Served, after

from tests.support import plan, snapshot, verdict

RATE = 2_000
T = 1_000_000


def look(end: int, weight: int = 5, started: int = T, counted: bool = True) -> MetricsCollected:
    """A window of the last second, of a service with RATE requests a second."""
    canary = {"checkout-new-1": (0, RATE * weight // 100)}
    found: dict[str, Any] = {"window": Window(begin=end - 1000, end=end), "canary": canary} if counted else {}
    metric = Proportion(status="ok" if counted else "no_data", **found)
    return snapshot(end=end, weight=weight, stage_started=started, metrics={"errors": metric})


def through(*looks: MetricsCollected) -> Served:
    served = Served()
    for one in looks:
        served = Served.unpack(after(served, plan(), one).pack())
    return served


def test_what_was_not_counted_is_reckoned_by_the_rate_of_what_was() -> None:
    blind = through(look(T + 10_000), look(T + 60_000, counted=False))
    assert (blind.requests, blind.total, blind.per_second) == (100, 6_000, RATE)


def test_each_weight_counts_for_as_long_as_it_was_in_force() -> None:
    risen = through(look(T + 10_000), look(T + 30_000, 25, T + 20_000))
    assert risen.total == 20 * RATE * 5 // 100 + 10 * RATE * 25 // 100


def test_without_any_count_nothing_is_reckoned() -> None:
    assert through(look(T + 10_000, counted=False)).total is None
    assert through().total is None


@given(st.lists(st.tuples(st.integers(1_000, 60_000), st.booleans()), min_size=1, max_size=20))
def test_whichever_windows_are_missing_the_estimate_is_what_a_steady_service_gave(
    steps: list[tuple[int, bool]],
) -> None:
    end, looks = T, []
    for length, counted in steps:
        end += length
        looks.append(look(end, counted=counted))
    served = through(*looks)
    if any(counted for _, counted in steps):
        assert served.total == round(RATE * 0.05 * (end - T) / 1000)
    else:
        assert served.total is None


def test_a_verdict_tells_about_how_many_were_served_since_too() -> None:
    said = verdict(evaluated_requests=392, served_requests=17_000, request_rate=1_200.0, end=T)
    assert said.requests_until(T + 10_000) == "392 requests evaluated of about 17,600 served"
    assert verdict(evaluated_requests=0).requests_until(T) == "0 requests evaluated, number served unknown"
