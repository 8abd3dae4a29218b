"""The ledger must notice every way in which judged counts can differ from what the scrapes showed."""

import json
from pathlib import Path
from typing import Any

import pytest
from serinus_contracts import Bucketed, DecisionTaken, Distribution, Margin, PlanMetric, VerdictReached
from serinus_contracts.events import Channel, Counts, DataQuality, MetricVerdict, Pod, Proportion, Window
from serinus_simulator.audit.ledger import ARMS, RunEvents, compare, folded_faults
from serinus_simulator.audit.order import of_decisions, of_snapshots, of_verdicts
from serinus_simulator.audit.truth import Page, _shown, expected, parse_series, read_truth

from tests.support import ERRORS, RUN, observed, plan, snapshot, verdict

OK = 'http_requests_total{code="200"}'
FAILED = 'http_requests_total{code="500"}'


def page(time: int, ok: float, failed: float | None = None, hidden: float = 0.0) -> Page:
    return Page(time, {OK: ok} | ({FAILED: failed} if failed is not None else {}), hidden)


def test_a_window_shows_what_was_added_between_its_edges() -> None:
    pages = [page(10, 100), page(20, 150, 2), page(30, 180, 5), page(40, 999, 9)]
    assert _shown(pages, 0, 15, 35, young=False) == {OK: 80, FAILED: 5}


def test_a_restart_is_told_by_what_it_hides_and_its_new_values_count_whole() -> None:
    pages = [page(10, 100, 4), page(20, 130, 5, hidden=100)]
    assert _shown(pages, 0, 10, 20, young=False) == {OK: 130, FAILED: 5}


def test_a_pod_that_began_inside_the_window_counts_from_zero_and_an_older_one_from_its_first_scrape() -> None:
    pages = [page(20, 50), page(30, 80)]
    assert _shown(pages, 0, 15, 30, young=True) == {OK: 80}
    assert _shown(pages, 0, 15, 30, young=False) == {OK: 30}


def test_no_scrape_from_before_the_stage_serves_as_base() -> None:
    pages = [page(10, 100), page(40, 500), page(50, 530)]
    assert _shown(pages, 30, 35, 50, young=False) == {OK: 30}
    assert _shown(pages[:1], 30, 35, 50, young=False) == {}


def test_counts_are_those_of_the_arms_own_pods() -> None:
    look = snapshot()
    pages = {
        "checkout-new-1": [page(1_009_000, 100), page(1_010_000, 599, 1)],
        "checkout-old-1": [page(1_009_000, 0), page(1_010_000, 9_481, 19)],
        "checkout-older-1": [page(1_009_000, 0), page(1_010_000, 77)],
    }
    assert expected(plan(), ERRORS, look, "canary", pages) == [1, 500]
    assert expected(plan(), ERRORS, look, "stable", pages) == [19, 9_500]


@pytest.mark.parametrize(
    ("looks", "ends", "fault"),
    [
        ([(0, 1), (1, 2)], [1, 2], None),
        ([(0, 1), (1, 2)], [1], None),
        ([(0, 1), (2, 3)], [1, 3], "follows 2, the one before ended at 1"),
        ([(0, 1), (1, 2), (2, 3)], [1, 3], "the snapshot to 2 has no verdict"),
        ([(0, 1), (1, 2)], [1, 1, 2], "was told 2 times"),
        ([(0, 1), (1, 2)], [2, 1], "out of order"),
    ],
)
def test_a_hole_a_repeat_or_a_wrong_order_in_the_chain_is_a_fault(
    looks: list[tuple[int, int]], ends: list[int], fault: str | None
) -> None:
    chain = [snapshot(follows, end, metrics={}) for follows, end in looks]
    verdicts = [verdict(end=end, evaluation=end, follows=end - 1) for end in ends]
    found = [*of_snapshots(chain, verdicts), *of_verdicts(verdicts)]
    assert found == [] if fault is None else fault in found[0]


def test_a_log_that_is_still_being_written_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    scrape: dict[str, Any] = {"time": 1, "by": "simulator", "namespace": "shop", "rollout": "checkout", "pod": "p"}
    scrape |= {"ok": True, "values": {OK: 5}, "totals": {OK: 7}}
    log.write_text(json.dumps(scrape) + "\n" + json.dumps({**scrape, "ok": False}) + "\n" + '{"time": 2, "by')
    assert read_truth(log, "simulator") == {("shop", "checkout"): {"p": [Page(1, {OK: 5}, 2)]}}


def test_a_series_of_a_page_has_its_name_among_its_labels() -> None:
    assert parse_series(OK) == {"__name__": "http_requests_total", "code": "200"}
    assert parse_series("up") == {"__name__": "up"}


def on_look(number: int, **other: Any) -> VerdictReached:
    return verdict(end=number, evaluation=number, follows=number - 1, **other)


@pytest.mark.parametrize(
    ("verdicts", "fault"),
    [
        ([on_look(1), on_look(2)], None),
        (
            [on_look(1), on_look(2).model_copy(update={"evaluation": 3})],
            "is evaluation 3, the one before was evaluation 1",
        ),
        ([on_look(1), on_look(2).model_copy(update={"follows": 0})], "follows 0, the one before ended at 1"),
        ([on_look(1, quality=DataQuality(gaps=1))], "1 gaps"),
    ],
)
def test_a_verdict_too_many_or_too_few_under_whatever_id_is_a_fault(
    verdicts: list[VerdictReached], fault: str | None
) -> None:
    found = list(of_verdicts(verdicts))
    assert found == [] if fault is None else fault in found[0]


PROCEED, ABORT = verdict(), verdict(verdict="abort", reason="evidence", end=1_011_000)


def decision(action: str = "advance", step: int = 1, cause: str = PROCEED.event_id(), **other: Any) -> DecisionTaken:
    fields = {"run": RUN, "detail": "d", "mode": "enforce", "state": "confirmed", "decided": 1}
    return DecisionTaken.model_validate({"action": action, "step": step, "cause": cause, **fields, **other})


@pytest.mark.parametrize(
    ("decisions", "step", "fault"),
    [
        ([decision()], 2, None),
        ([decision("abort", 2, ABORT.event_id())], 1, None),
        ([decision(), decision()], 2, "was told 2 times"),
        ([decision(), decision(cause=ABORT.event_id())], 2, "advance at step 1 was done 2 times"),
        ([decision(cause=ABORT.event_id())], 2, "which said abort"),
        ([decision(cause="x")], 2, "which was never told"),
        ([decision(), decision(step=3)], 4, "advance at step 3 for a verdict on step 1"),
        ([decision(state="failed")], 2, "step 1 was passed without a decision"),
        ([], 2, "step 1 was passed without a decision"),
        ([decision("abort", 1, ABORT.event_id())], 1, None),
        ([decision(cause="x", actor="alice")], 2, None),
    ],
)
def test_an_act_twice_without_its_verdict_or_a_gate_passed_without_one_is_a_fault(
    decisions: list[DecisionTaken], step: int, fault: str | None
) -> None:
    found = list(of_decisions(decisions, [PROCEED, ABORT], [observed(step=step)], {plan().digest: plan()}))
    assert found == [] if fault is None else any(fault in one for one in found)


def counted(canary: tuple[int, int], stable: tuple[int, int]) -> MetricVerdict:
    channel = Channel(
        canary=Counts(events=canary[0], trials=canary[1]),
        stable=Counts(events=stable[0], trials=stable[1]),
        margin=ERRORS.margin,
    )
    return MetricVerdict(name="errors", label="ok", status="ok", share=1, log_eprocess=0, run=(channel,))


PAGES = {
    "checkout-new-1": [page(1_008_900, 0), page(1_009_000, 100), page(1_010_000, 599, 1)],
    "checkout-old-1": [page(1_008_900, 0), page(1_009_000, 0), page(1_010_000, 9_481, 19)],
}
EVENTS: dict[str, Any] = {
    "snapshots": [snapshot()],
    "verdicts": [verdict(metrics=(counted((1, 500), (19, 9_500)),), follows=0)],
}


def test_counts_that_equal_the_scrapes_in_the_window_and_under_the_verdict_hold() -> None:
    ledger = compare(RunEvents(**EVENTS), {plan().digest: plan()}, PAGES)
    assert (ledger.windows, list(ledger.faults), ledger.holds) == (1, [], True)


def test_counts_of_pods_that_were_warming_up_are_not_under_the_verdict() -> None:
    warming = plan(warmup=30.0)
    pods = tuple(
        Pod(name=name, arm=arm, started=started, ready=True)
        for name, arm, started in (
            ("checkout-new-1", "canary", 900_000),
            ("checkout-old-1", "stable", 900_000),
            ("checkout-old-2", "stable", 1_008_000),
        )
    )
    window = Window(begin=1_009_000, end=1_010_000)
    stable = {"checkout-old-1": (19, 9_500), "checkout-old-2": (40, 400)}
    errors = Proportion(status="ok", window=window, canary={"checkout-new-1": (1, 500)}, stable=stable)
    one = snapshot(pods=pods, metrics={"errors": errors}, plan=warming.digest)
    pages = PAGES | {"checkout-old-2": [page(1_008_900, 0), page(1_009_000, 0), page(1_010_000, 360, 40)]}
    for told, faults in (((19, 9_500), 0), ((59, 9_900), 1)):
        judged = verdict(metrics=(counted((1, 500), told),), follows=0, plan=warming.digest)
        found = compare(RunEvents(snapshots=[one], verdicts=[judged]), {warming.digest: warming}, pages)
        assert len(found.faults) == faults, found.faults


@pytest.mark.parametrize(("slow", "faults"), [(10, 0), (9, 1)])
def test_a_channel_that_some_verdicts_leave_out_must_have_grown_by_all_that_was_counted_meanwhile(
    slow: int, faults: int
) -> None:
    metric = PlanMetric(name="latency", source=Bucketed(query=ERRORS.source.query), margin=Margin(ratio=1.2))
    rule = plan(metrics=(metric,))
    counts = {"canary": (5, 3, 2), "stable": (50, 30, 20)}
    ends = [1_010_000, 1_011_000, 1_012_000]
    looks = [
        snapshot(end - 1_000, end, metrics={"latency": Distribution(status="ok", edges=(0.1, 0.5), **counts)})
        .model_copy(update={"plan": rule.digest})
        for end in ends
    ]  # fmt: skip

    def channel(edge: float, canary: int, stable: int, many: int) -> Channel:
        edges = {"canary_edge": edge, "stable_edge": edge}
        arms = {"canary": Counts(events=canary, trials=10 * many), "stable": Counts(events=stable, trials=100 * many)}
        return Channel(**arms, **edges, margin=Margin(ratio=1.2))

    def judged(number: int, *run: Channel) -> VerdictReached:
        told = MetricVerdict(name="latency", label="ok", status="ok", share=1, log_eprocess=0, run=run)
        fields = {"end": ends[number], "follows": ends[number] - 1_000, "evaluation": number + 1, "plan": rule.digest}
        return verdict(metrics=(told,), **fields)

    verdicts = [
        judged(0, channel(0.1, 5, 50, 1), channel(0.5, 2, 20, 1)),
        judged(1, channel(0.5, 4, 40, 2)),
        judged(2, channel(0.1, slow + 5, 150, 3), channel(0.5, 6, 60, 3)),
    ]
    shown: dict[tuple[int, str, str], list[int]] = {
        (end, "latency", arm): list(counts[arm]) for end in ends for arm in ARMS
    }
    found = list(folded_faults(RunEvents(snapshots=looks, verdicts=verdicts), {rule.digest: rule}, shown))
    assert len(found) == faults, found


def test_a_verdict_that_stands_on_other_counts_than_its_snapshots_is_a_fault() -> None:
    twice = verdict(metrics=(counted((2, 1_000), (19, 9_500)),), follows=0)
    (fault,) = compare(RunEvents(snapshots=[snapshot()], verdicts=[twice]), {plan().digest: plan()}, PAGES).faults
    assert fault == "errors of canary under the verdict to 1010000: 2 of 1000, its snapshots make 1 of 500"
