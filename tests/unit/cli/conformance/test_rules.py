"""A chain as the collector writes it breaks no rule, and each way to break one is found under its name."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus.conformance.rules import RULES, Examiner, Registered
from serinus_contracts import AnalysisPlan, Distribution, MetricsCollected, Proportion, Window, seal, to_entry
from serinus_contracts.events.snapshot import History, Segment
from serinus_contracts.plan import query_digest

from tests.support import ERRORS, LATENCY, plan, snapshot

PLAN = plan(metrics=(ERRORS, LATENCY))
STAGE = 1_000_000
HISTORY = {"errors": History(pods=("a",), ends=(300_000,), blocks=((((1, 2),)),))}


def measured(begin: int, end: int, **other: Any) -> dict[str, Any]:
    window, counts = Window(begin=begin, end=end), {"canary": {"a": (1, 9)}, "stable": {"b": (2, 90)}}
    errors = {"status": "ok", "window": window, "query_digest": query_digest(ERRORS.source.query), **counts}
    buckets = {"edges": (0.1, 0.5), "canary": (1, 2, 3), "stable": (4, 5, 6)}
    latency = {"status": "ok", "window": window, "query_digest": query_digest(LATENCY.source.query), **buckets}
    return {"errors": Proportion(**(errors | other)), "latency": Distribution(**latency)}


def chained(count: int = 4) -> list[MetricsCollected]:
    """Snapshots of one stage, a second apart; the second could not be counted."""
    blank = {name: type(one)(status="error", detail="away") for name, one in measured(0, 1).items()}
    found, follows, counted = [], 0, STAGE + 1_000
    for number in range(count):
        end = STAGE + 3_000 + 1_000 * number
        metrics = blank if number == 1 else measured(counted, end)
        history = HISTORY if number == 0 else {}
        made = snapshot(follows, end, plan=PLAN.digest, stage_started=STAGE, metrics=metrics, history=history)
        found.append(made)
        follows, counted = end, counted if number == 1 else end
    return found


def examined(snapshots: list[MetricsCollected], *, whole: bool = True, known: AnalysisPlan | None = PLAN) -> Examiner:
    examiner = Examiner(whole=whole)
    for number, one in enumerate(snapshots):
        entry = f"{one.end + 500}-{number}"
        fields = to_entry(seal(one, source="/another/collector", now=one.end))
        read = examiner.read(entry, fields)
        assert read is not None
        examiner.take(entry, read, known)
    return examiner


def broken(examiner: Examiner) -> list[str]:
    return [one.rule for one in examiner.violations]


@pytest.mark.parametrize(("beyond", "breaks"), [(999, []), (1_000, ["stage"])])
def test_a_window_may_end_in_the_second_in_which_argos_pause_began_since_argo_writes_whole_seconds(
    beyond: int, breaks: list[str]
) -> None:
    began, end = STAGE + 3_000, STAGE + 3_000 + beyond
    first = snapshot(
        0, end, plan=PLAN.digest, stage_started=STAGE, metrics=measured(STAGE + 1_000, end), history=HISTORY
    )
    counted = measured(began + 1_000, end + 3_000)
    second = snapshot(end, end + 3_000, plan=PLAN.digest, stage_started=began, metrics=counted)
    assert broken(examined([first, second])) == breaks


@given(st.integers(1, 8))
def test_a_chain_as_the_collector_writes_it_breaks_no_rule(count: int) -> None:
    examiner = examined(chained(count))
    (run,) = examiner.runs
    ends = [one.end for number, one in enumerate(chained(count)) if number != 1]
    examiner.close(run, Registered(examiner.end(run), {"errors": ends[-1], "latency": ends[-1]}))
    assert examiner.violations == []
    assert {rule for rule, times in examiner.checks.items() if times} == {*RULES}


Change = Callable[[list[MetricsCollected]], list[MetricsCollected]]


def changed(index: int, **fields: Any) -> Change:
    return lambda found: [one.model_copy(update=fields if i == index else {}) for i, one in enumerate(found)]


def remeasured(index: int, **fields: Any) -> Change:
    def change(found: list[MetricsCollected]) -> list[MetricsCollected]:
        metrics = dict(found[index].metrics)
        metrics["errors"] = metrics["errors"].model_copy(update=fields)
        return changed(index, metrics=metrics)(found)

    return change


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        (lambda found: [*found, found[-1]], "once", "was published before"),
        (lambda found: [found[0], *found[2:]], "chain", "the one before ended at 1003000"),
        (lambda found: found[1:], "chain", "is the first of its run and follows 1003000, not 0"),
        (lambda found: [*found[:2], found[3], found[2]], "times", "the one before at 1006000"),
        (changed(0, plan="other"), "plan", "has the digest"),
        (changed(2, metrics={"errors": measured(1, 2)["errors"]}), "plan", "measures errors, its plan errors, latency"),
        (remeasured(2, query_digest="x"), "plan", "has the query digest 'x'"),
        (remeasured(2, window=None), "status", "is ok without a window"),
        (remeasured(2, status="partial", detail="half"), "status", "is partial with a window"),
        (remeasured(1, canary={"a": (1, 2)}), "status", "is error with counts, which nobody may judge"),
        (remeasured(1, detail=""), "status", "does not say why"),
        (remeasured(2, window=Window(begin=1_004_000, end=1_005_000)), "tiles", "leaves a gap to the one before"),
        (remeasured(2, window=Window(begin=1_002_000, end=1_005_000)), "tiles", "overlaps the one before"),
        (remeasured(0, window=Window(begin=1_000_500, end=1_003_000)), "tiles", "before it has settled at 1001000"),
        (remeasured(0, window=Window(begin=999_000, end=1_003_000)), "stage", "its stage began at 1000000"),
        (remeasured(2, window=Window(begin=1_003_000, end=1_005_001)), "stage", "the snapshot ends at 1005000"),
        (changed(3, stage_started=1_004_500), "stage", "ends after the next stage began, at 1004500"),
        (remeasured(2, canary={"a": (3, 2)}), "counts", "has 3 events of 2 trials of a"),
        (remeasured(2, stable={"b": (-1, 2)}), "counts", "has a negative count of b"),
        (
            remeasured(2, segments={"/": Segment(canary=(1, 9))}),
            "counts",
            "has segments of stable that sum up to [0, 0]",
        ),
        (changed(2, history=HISTORY), "history", "is not the first"),
    ],
)
def test_each_way_to_break_a_rule_is_found_under_its_name(change: Change, rule: str, said: str) -> None:
    found = [one for one in examined(change(chained())).violations if one.rule == rule]
    assert found, "nothing was found"
    assert said in found[0].said


def test_buckets_and_edges_that_do_not_fit_are_found() -> None:
    found = chained()
    metrics = dict(found[2].metrics)
    metrics["latency"] = metrics["latency"].model_copy(update={"canary": (1, 2), "edges": (0.5, 0.1)})
    said = [one.said for one in examined(changed(2, metrics=metrics)(found)).violations]
    assert "latency has edges that do not rise" in said
    assert "latency has 2 buckets of canary, and 2 edges" in said


def test_a_window_whose_older_part_was_given_up_after_an_hour_is_no_gap() -> None:
    late = STAGE + 8_000_000
    found = [*chained(1), snapshot(STAGE + 3_000, late, plan=PLAN.digest, metrics=measured(late - 3_600_000, late))]
    assert broken(examined(found)) == []


def test_of_a_trimmed_stream_the_beginning_of_its_runs_is_not_held_against_them() -> None:
    assert broken(examined(chained()[2:], whole=False)) == []


def test_a_plan_that_redis_lacks_breaks_the_rule_of_plans_alone() -> None:
    assert set(broken(examined(chained(1), known=None))) == {"plan"}


def test_a_snapshot_from_the_future_and_entries_that_are_none_are_found() -> None:
    examiner = Examiner(whole=True)
    (one,) = chained(1)
    fields = to_entry(seal(one, source="/x", now=one.end))
    examiner.take(f"{one.end - 7}-0", one, PLAN)
    assert [found.said for found in examiner.violations] == [f"ends at {one.end}, 7 ms after it was written"]
    assert examiner.read("1-0", {"ce": "{}"}) is None
    assert examiner.read("1-1", fields | {"ce_id": "other", "end": "1"}) == one
    assert [found.said for found in examiner.violations[-2:]] == [
        f"the flat field ce_id is not {one.event_id()}",
        f"the flat field end is not {one.end}",
    ]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, "window: of it is empty"),
        (Registered(1, {"errors": STAGE + 3_000, "latency": STAGE + 3_000}), "follows says 1"),
        (Registered(STAGE + 3_000, {"errors": 5, "latency": STAGE + 3_000}), "the window of errors ends at 5 there"),
    ],
)
def test_a_registry_that_says_other_than_the_stream_is_found(kept: Registered | None, said: str) -> None:
    examiner = examined(chained(1))
    examiner.close(examiner.runs[0], kept)
    assert [one.rule for one in examiner.violations] == ["registry"]
    assert said in examiner.violations[0].said
