"""From a snapshot to counts, and what is wrong with those that cannot be judged."""

import pytest
from serinus_contracts.events import Distribution, Measurement, Proportion
from serinus_contracts.plan import PlanMetric
from serinus_judging.snapshot import read

from tests.unit.judging.builders import distribution, latency, metric, missing, proportion, snapshot

EDGES, FOUR = (0.1, 0.2, 0.3), (1, 1, 1, 1)


def test_pods_are_summed() -> None:
    measured = Proportion(
        status="ok", canary={"a": (1, 10), "b": (2, 20), "": (3, 30)}, stable={"c": (4, 40)}, series=4
    )
    reading = read(metric(), measured, 30)
    assert (reading.status, reading.quad) == ("ok", (6, 60, 4, 40))


@pytest.mark.parametrize(
    ("metric_", "measured", "status", "detail"),
    [
        (metric(), None, "no_data", "not measured"),
        (metric(), missing("error", "timeout"), "error", "timeout"),
        (metric(), proportion(0, 0, 1, 10), "no_data", "no requests on the canary"),
        (metric(), proportion(1, 10, 0, 0), "no_data", "no requests on stable"),
        (metric(), Proportion(status="ok"), "no_data", "no requests on the canary"),
        (metric(), proportion(11, 10, 1, 10), "error", "more events than trials on the canary (11 of 10)"),
        (metric(), proportion(1, 10, 1100, 1000), "error", "more events than trials on the stable (1,100 of 1,000)"),
        (metric(), proportion(-1, 10, 1, 10), "error", "counts below zero"),
        (metric(count="rate"), proportion(11, 10, 1, 10), "ok", ""),
        (metric(lag=60), proportion(11, 10, 1, 10), "ok", ""),
        (metric(), distribution(EDGES, FOUR, FOUR), "error", "measured as distribution, planned as proportion"),
        (latency(), proportion(1, 10, 1, 10), "error", "measured as proportion, planned as distribution"),
        (latency(), distribution(EDGES, (1, 1), (1, 1, 1, 1)), "error", "3 edges do not fit 2 buckets of the canary"),
        (latency(), distribution(EDGES, (1, 1, 1, -1), (1, 1, 1, 1)), "error", "counts below zero"),
        (latency(), distribution(EDGES, (0, 0, 0, 0), (1, 1, 1, 1)), "no_data", "no requests on the canary"),
        (latency(), Distribution(status="ok"), "error", "0 edges do not fit 0 buckets of the canary"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(
    metric_: PlanMetric, measured: Measurement | None, status: str, detail: str
) -> None:
    reading = read(metric_, measured, 30)
    assert (reading.status, reading.detail) == (status, detail)


def test_windows_have_their_own_length_or_else_the_snapshots() -> None:
    look = snapshot({"errors": proportion(1, 10, 1, 10)}, 2, interval=20_000)
    assert read(metric(), look.metrics["errors"], 99).seconds == 20
    assert read(metric(), proportion(1, 10, 1, 10), 99).seconds == 99
