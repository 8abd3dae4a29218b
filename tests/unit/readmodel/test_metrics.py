"""Rows of a latency: milliseconds of both arms, and the shares that are tested as its details."""

from serinus_contracts import Channel, Counts, MetricVerdict
from serinus_contracts.events import Durations, SegmentVerdict
from serinus_contracts.metric import Margin
from serinus_readmodel.metrics import rows

from tests.support import verdict

TOLD = ((0.5, 0.06, 0.05), (0.95, 0.3222, 0.232), (0.99, 1.26, 0.9))


def latency(visible: float) -> MetricVerdict:
    counts = Counts(events=79, trials=1000)
    tested = {"canary_edge": 0.25, "stable_edge": 0.25 / 1.2, "quantile": 0.95}
    channel = Channel(canary=counts, stable=counts, margin=Margin(), **tested)
    return MetricVerdict(
        name="latency",
        label="worse",
        status="ok",
        share=1,
        log_eprocess=5,
        run=(channel,),
        durations=tuple(Durations(quantile=q, canary=canary, stable=stable) for q, canary, stable in TOLD),
        allowed_slowdown=1.2,
        visible_slowdown=visible,
    )


def test_a_latency_is_told_in_milliseconds_with_the_ratio_that_is_allowed() -> None:
    row = rows(verdict(metrics=(latency(1.2),)), None)[0]
    assert row.about == "p50/p95/p99"
    assert row.canary == ("60/322/1260 ms", "of 1,000")
    assert row.stable == ("50/232/900 ms", "of 1,000")
    assert row.difference == "1.20/1.39/1.40×"
    assert (row.margin, row.detail) == ("allowed 1.2× stable", "")


def test_both_edges_of_a_test_are_named() -> None:
    assert rows(verdict(metrics=(latency(1.2),)), None)[0].others[0].about == "p95: over 250 ms, stable's over 208.3 ms"


def test_a_histogram_that_is_too_coarse_for_the_margin_says_what_it_shows() -> None:
    row = rows(verdict(metrics=(latency(1.5),)), None)[0]
    assert row.detail == "these buckets show a slowdown from 1.5× on"


def test_the_worst_segments_of_a_metric_are_its_details() -> None:
    whole, few = Counts(events=39, trials=12_386), Counts(events=15, trials=347)
    counts = {"canary": few, "stable": Counts(events=5, trials=1_140)}
    worst = SegmentVerdict(
        **counts, name="/checkout", stage=tuple(counts.values()), worse=True, log_eprocess=9, low=1.2
    )
    others = worst.model_copy(update={"name": "", "others": True, "worse": False, "low": None})
    channel = Channel(canary=whole, stable=whole, margin=Margin(ratio=1.25, absolute=0.001))
    errors = latency(1).model_copy(
        update={"name": "errors", "durations": (), "run": (channel,), "segment": "route", "segments": (worst, others)}
    )
    row = rows(verdict(metrics=(errors,)), None)[0]
    assert (row.segment, row.canary) == ("route", ("0.31 %", "39 of 12,386"))
    first, second = row.others
    assert (first.about, first.label, first.canary) == ("route /checkout", "worse", ("4.3 %", "15 of 347"))
    assert first.bar is not None
    assert first.bar.text == "at least 1.2× the allowed rate"
    assert (second.about, second.label) == ("other values of route", "unclear")
