"""Between two described verdicts nobody who shows one misses anything: it is there, or known from before."""

from collections.abc import Callable
from math import isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_contracts import MetricVerdict, VerdictReached
from serinus_contracts.channels import channels, telling
from serinus_contracts.described import identity, whole, whole_in_order
from serinus_contracts.plan import AnalysisPlan, PlanLimit
from serinus_contracts.written_verdict import written
from serinus_judging import evaluation
from serinus_judging.evaluation import Evaluation, evaluate
from serinus_judging.run_record import RunRecord

from tests.unit.judging.builders import START, distribution, latency, metric, plan, proportion, snapshot

EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
RULE = plan(
    metric("errors", ratio=1.25, absolute=0.01, critical=True),
    metric("orders", ratio=0.9, better="higher"),
    latency("latency"),
    weights=(10, 50),
    limits=(PlanLimit(name="errors above 0.4", metric="errors", share=0.4),),
)


def told(rule: AnalysisPlan, snapshots: list[Any]) -> list[VerdictReached]:
    state, found = RunRecord(), []
    for one in snapshots:
        ((state, verdict),) = evaluate([Evaluation(state, rule, one.model_copy(update={"plan": rule.digest}))])
        read = VerdictReached.model_validate_json(written(verdict).data)
        assert alike(read.model_dump(), VerdictReached.model_validate(verdict).model_dump())
        found.append(read)
    return found


def alike(one: Any, other: Any) -> bool:
    """Equal but for digits that nobody is shown."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return isinstance(other, float | int) and isclose(one, other, rel_tol=1e-4, abs_tol=1e-4)
    return bool(one == other)


def looks(seed: int, count: int, worse: float = 1.0, enters: int = 12) -> list[Any]:
    random = np.random.default_rng(seed)
    base = np.array([5, 10, 30, 30, 15, 7, 2, 1]) / 100
    found = []
    for number in range(1, count + 1):
        stage, started = (0, START) if number < enters else (1, START + (enters - 1) * 30_000)
        x, y = random.binomial(400, min(1.0, 0.02 * worse)), random.binomial(3_600, 0.02)
        counts: dict[str, Any] = {
            "errors": proportion(int(x), 400, int(y), 3_600),
            "orders": proportion(int(random.binomial(400, 0.3)), 400, int(random.binomial(3_600, 0.3)), 3_600),
            "latency": distribution(
                EDGES, random.multinomial(400, base).tolist(), random.multinomial(3_600, base).tolist()
            ),
        }
        found.append(snapshot(counts, number, stage=stage, stage_started=started, weight=(10, 50)[stage]))
    return found


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on each verdict is described."""
    return lambda: monkeypatch.setattr(evaluation, "DESCRIBED_EVERY", 1)


def numbers(one: MetricVerdict) -> tuple[Any, ...]:
    """What a chart and a row show of a metric."""
    shown = telling(one)
    assert shown is not None
    ends = [None if end is None else pytest.approx(end, rel=1e-3) for end in (shown.channel.low, shown.channel.high)]
    counts = shown.canary, shown.stable, shown.channel.canary, shown.channel.stable, shown.ratio
    return (
        one.label,
        one.status,
        one.better,
        one.critical,
        one.limit,
        one.durations,
        counts,
        identity(shown.channel),
        ends,
    )


@pytest.mark.parametrize("worse", [1.0, 1.6, 4.0])
def test_what_a_chart_and_a_row_show_is_the_same_in_every_verdict(worse: float, always: Callable[[], None]) -> None:
    briefly = told(RULE, looks(3, 25, worse))
    always()
    fully = told(RULE, looks(3, 25, worse))
    assert not all(one.described for one in briefly)
    for brief, full in zip(briefly, fully, strict=True):
        assert (brief.verdict, brief.reason, brief.sentence) == (full.verdict, full.reason, full.sentence)
        for short, long in zip(brief.metrics, full.metrics, strict=True):
            assert short.name == long.name
            if long.run:
                assert numbers(short) == numbers(long)
                assert short.log_eprocess == pytest.approx(long.log_eprocess, abs=1e-4)


def test_with_what_was_told_before_a_verdict_has_all_channels_and_the_newest_counts(always: Callable[[], None]) -> None:
    before: VerdictReached | None = None
    briefly = told(RULE, looks(5, 25))
    always()
    for brief, full in zip(briefly, told(RULE, looks(5, 25)), strict=True):
        before = whole(brief, before)
        for known, long in zip(before.metrics, full.metrics, strict=True):
            assert [identity(one.channel) for one in channels(known)] == [
                identity(one.channel) for one in channels(long)
            ]
            newest = telling(long)
            if newest is not None:
                (same,) = [one for one in channels(known) if identity(one.channel) == identity(newest.channel)]
                assert (same.canary, same.stable) == (newest.canary, newest.stable)
            assert (known.dispersion is None) == (long.dispersion is None)
            assert known.visible_slowdown == long.visible_slowdown
        assert {(one.kind, one.metric) for one in before.findings if not one.decides} >= {
            (one.kind, one.metric) for one in brief.findings
        }


def test_the_channel_that_is_shown_is_the_newest_though_one_told_more_before() -> None:
    found = told(RULE, looks(3, 25))
    brief = next(one for one in found if not one.described)
    before = found[found.index(brief) - 1]
    shown = telling(brief.metrics[2])
    assert shown is not None
    strong = tuple(
        one.model_copy(update={"log_eprocess": shown.channel.log_eprocess + 1}) for one in before.metrics[2].run
    )
    stale = before.model_copy(update={"metrics": (before.metrics[2].model_copy(update={"run": strong}),)})
    known = whole(brief, stale).metrics[2]
    assert len(known.run) == len(strong) > 1
    assert telling(known) == shown


def test_verdicts_in_order_each_have_what_was_told_last_of_their_stage() -> None:
    found = told(RULE, looks(3, 25))
    noise = {one.evaluation: one.metrics[0].dispersion for one in found if one.described}
    assert not all(one.described for one in found)
    for one in whole_in_order(found):
        assert one.metrics[0].dispersion == noise[max(known for known in noise if known <= one.evaluation)]
    assert whole_in_order([]) == []
    brief = next(i for i, one in enumerate(found) if not one.described)
    assert whole_in_order(found[brief : brief + 1]) == found[brief : brief + 1], "what began before is not known"


def test_a_verdict_that_leaves_things_out_takes_a_third_of_the_room() -> None:
    sizes = [(one.described, len(one.model_dump_json(exclude_none=True))) for one in told(RULE, looks(7, 25))]
    brief, full = ([size for described, size in sizes if described is which] for which in (False, True))
    assert max(brief) < max(full) * 0.6


def test_the_first_verdict_of_a_stage_leaves_nothing_out() -> None:
    found = told(RULE, looks(1, 25))
    first = [next(one for one in found if one.stage == stage) for stage in (0, 1)]
    assert [one.described for one in first] == [True, True]
    assert first[1].evaluation == 12


@given(st.integers(0, 10**6))
@settings(max_examples=5)
def test_no_two_channels_of_a_metric_are_taken_for_each_other(seed: int) -> None:
    for one in told(RULE, looks(seed, 3)):
        for known in one.metrics:
            assert len({identity(channel) for channel in known.run}) == len(known.run)


@pytest.mark.parametrize("before", ["another stage", "nothing"])
def test_what_was_told_of_another_stage_is_not_told_of_this_one(before: str) -> None:
    found = told(RULE, looks(2, 25))
    one = next(one for one in found if one.stage == 1 and not one.described)
    assert whole(one, found[0] if before == "another stage" else None) == one
