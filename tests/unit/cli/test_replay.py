"""Judging recorded snapshots again, and taking snapshots of a Prometheus' past."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from serinus import plans
from serinus.replay import judging
from serinus.replay.past import Span, taken
from serinus.replay.snapshots import from_file, save
from serinus_collecting.ports import Answer, Unread, Values
from serinus_contracts import CanaryPolicy, MetricsCollected, Proportion, Selector, seal
from serinus_counting.series import Series
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.stages import Stage

from tests.recorded import POLICY, recorded_plan, snapshots
from tests.support import ERRORS, RUN, plan, stage

BEGIN = 1_700_000_000_000


def policy(text: str = POLICY) -> CanaryPolicy:
    (one,) = load_text(text, "policy.yaml")
    return one


def test_verdicts_of_recorded_snapshots_are_those_of_a_chain() -> None:
    told = judging.rejudged(recorded_plan(), snapshots())
    assert [one.evaluation for one in told] == list(range(1, 25))
    assert [(one.follows, one.end) for one in told] == [(one.follows, one.end) for one in snapshots()]
    assert told[-1].verdict == "abort"
    assert {one.plan for one in told} == {recorded_plan().digest}
    assert told[-1].metrics[0].calibrated


def test_each_stage_shows_when_its_gate_would_have_opened_and_an_abort_ends_all() -> None:
    found = judging.passed(judging.rejudged(recorded_plan(), snapshots()))
    assert [(one.weight, one.verdict.verdict) for one in found] == [(5, "proceed"), (25, "proceed"), (50, "abort")]
    first = found[0].verdict
    assert first.end - first.stage_started == 5_000
    assert [one.verdict.verdict for one in judging.passed(judging.rejudged(recorded_plan(), snapshots(5)))] == ["abort"]


def test_a_snapshot_that_is_missing_is_a_gap_and_not_an_error() -> None:
    told = judging.rejudged(recorded_plan(), [*snapshots()[:3], *snapshots()[5:]])
    assert [one.quality.gaps for one in told][2:5] == [0, 1, 1]


def test_stages_follow_from_the_snapshots_where_nobody_tells_them() -> None:
    assert judging.stages_seen(snapshots()) == (
        Stage(5, 0, (1,), False),
        Stage(25, 2, (3,), False),
        Stage(50, 4, (5,), False),
    )


def test_another_policy_judges_the_same_snapshots_if_it_judges_the_same_metrics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = judging.stages_seen(snapshots())
    wide = plans.plan_for(policy(POLICY.replace("ratio: 1.25", "ratio: 20")), RUN, found)
    judging.check(wide, snapshots())
    assert judging.rejudged(wide, snapshots())[-1].verdict != "abort"
    other = plans.plan_for(policy(POLICY.replace("name: errors", "name: faults")), RUN, found)
    with pytest.raises(typer.Exit):
        judging.check(other, snapshots())
    said = capsys.readouterr().err
    assert "judges faults, a proportion; in the snapshots it is not there" in said
    assert "errors (proportion), latency (distribution)" in said


def test_a_judge_that_cannot_judge_these_metrics_says_why() -> None:
    assert isinstance(judging.with_judge(policy(), "sequential"), CanaryPolicy)
    assert str(judging.with_judge(policy(), "coin")).startswith("there is no judge coin; known: sequential")
    assert next(rule.spec.judge.name for rule in judging.judges(policy(), [])) == "sequential"


def test_saved_snapshots_are_read_back_bare_or_as_cloud_events(tmp_path: Path) -> None:
    file = tmp_path / "snapshots.jsonl"
    save(snapshots(), file)
    assert list(from_file(file, None).snapshots) == snapshots()
    assert list(from_file(file, "checkout").snapshots) == snapshots()
    file.write_text(
        "\n".join(seal(snapshot, source="/x", now=0).model_dump_json() for snapshot in reversed(snapshots()))
    )
    assert list(from_file(file, "shop/checkout").snapshots) == snapshots()


class Past:
    """A Prometheus with counters of one pod an arm: ten requests a second, of the canary's one in ten fails."""

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        return self._unread(range((end - reach_ms) // 1000 * 1000 + 1000, end + 1, 1000))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        return self._unread(range((end - reach_ms) // step_ms * step_ms + step_ms, end + 1, step_ms))

    async def values(self, query: str, at: int) -> Unread[Values]:
        raise NotImplementedError

    def _unread(self, times: range) -> Unread[Answer]:
        return Unread(200, b"", lambda *_: self._answer(times))

    def _answer(self, times: range) -> Answer:
        found = []
        for pod, failed in (("checkout-new-1", 1), ("checkout-old-1", 0)):
            for code, rate in (("200", 10 - failed), ("500", failed)):
                labels = {"pod": pod, "instance": pod, "code": code}
                found.append(Series(labels, list(times), [(time - BEGIN) / 1000 * rate + 10**6 for time in times]))
        return Answer(found)


@pytest.mark.anyio
async def test_snapshots_at_the_past_tile_each_stage_as_a_collector_would_have_done() -> None:
    rule = plan(metrics=(ERRORS,), stages=(stage(5, 0), stage(50, 2)), interval=5.0)
    spans = [Span(5, BEGIN, BEGIN + 60_000), Span(50, BEGIN + 60_000, BEGIN + 100_000)]
    moments: list[int] = []
    found = await taken(rule, RUN, spans, Past(), 10.0, moments.append)
    assert moments[-1] == BEGIN + 100_000
    assert [snapshot.follows for snapshot in found] == [0, *(snapshot.end for snapshot in found[:-1])]
    assert {pod.name: pod.arm for pod in found[0].pods} == {"checkout-new-1": "canary", "checkout-old-1": "stable"}
    for number, span in enumerate(spans):
        windows = [window for snapshot in found if snapshot.stage == number and (window := errors(snapshot).window)]
        assert windows[0].begin == span.begin + 2_000
        assert [one.end for one in windows[:-1]] == [one.begin for one in windows[1:]]
        assert windows[-1].end == span.end
        assert {snapshot.weight for snapshot in found if snapshot.stage == number} == {span.weight}
    requests = sum(errors(snapshot).canary.get("checkout-new-1", (0, 0))[1] for snapshot in found)
    failed = sum(errors(snapshot).canary.get("checkout-new-1", (0, 0))[0] for snapshot in found)
    assert (requests, failed) == (960, 96)
    assert judging.rejudged(rule, found)[-1].verdict == "abort"


def errors(snapshot: MetricsCollected) -> Proportion:
    measured = snapshot.metrics["errors"]
    assert isinstance(measured, Proportion)
    return measured
