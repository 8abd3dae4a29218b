from dataclasses import replace
from typing import Any

import pytest
from serinus_contracts.freeze import DAYS, FreezeRule
from serinus_contracts.operator_state import Approval, OperatorState
from serinus_contracts.policy import Mode
from serinus_contracts.standstill import Standstill
from serinus_controller.domain.decide import Decision, Situation, decide, no_verdict, unevaluated
from serinus_rollouts.rollout import RolloutView

from tests.support import RUN, plan, stage, verdict
from tests.unit.rollouts.objects import ABORTED, STEPS, UNPAUSING, at, step

NOW = 1_012_000


def situation(view: RolloutView | None = None, operator: OperatorState | None = None, **of_plan: Any) -> Situation:
    return Situation(view or at(), RUN, plan(**of_plan), 1_000_000, operator or OperatorState())


def decided(
    view: RolloutView | None = None, operator: OperatorState | None = None, now: int = NOW, **said: Any
) -> Decision | None:
    return judged(situation(view, operator), now, **said)


def judged(asked: Situation, now: int = NOW, **said: Any) -> Decision | None:
    """What a verdict by the run's plan leads to."""
    return decide(asked, verdict(**({"plan": asked.plan.digest} | said)), now)


def test_proceed_opens_the_gate_that_the_rollout_waits_at() -> None:
    found = decided()
    assert found is not None
    assert (found.action, found.step, found.acts, found.cause) == ("advance", 1, True, verdict().event_id())


def test_the_last_gate_is_a_promotion() -> None:
    found = decided(step(5, 50), step=5)
    assert found is not None
    assert found.action == "promote"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"run": RUN.model_copy(update={"attempt": 2})}, "another attempt"),
        ({"run": RUN.model_copy(update={"canary_hash": "other"})}, "another revision"),
        ({"step": 3}, "another step"),
        ({"stage_started": 999_999}, "its counts are of before the stage"),
        ({"plan": plan(interval=2.0).digest}, "it was judged by another plan"),
        ({"end": NOW - 3_000 - 20_001}, "older than three looks"),
    ],
)
def test_a_verdict_about_something_else_or_from_long_ago_advances_nothing(said: dict[str, Any], why: str) -> None:
    assert decided(**said) is None, why


@pytest.mark.parametrize(
    "view",
    [
        at(status=UNPAUSING),
        at(status={"observedGeneration": "2"}),
        at(spec={"paused": True}),
        at(status=ABORTED),
        at(status={"phase": "Progressing"}),
        at(status={"stableRS": "new"}),
        at(status={"currentPodHash": "newer"}),
    ],
)
def test_proceed_does_nothing_where_the_rollout_does_not_wait_for_it(view: RolloutView) -> None:
    assert decided(view) is None


def test_an_abort_is_due_wherever_the_run_is_and_however_old_the_verdict() -> None:
    for view in (at(), step(3, 25), at(status={"phase": "Progressing"}), at(spec={"paused": True})):
        found = decided(view, verdict="abort", reason="evidence", plan="another", now=NOW + 10**7)
        assert found is not None
        assert (found.action, found.acts, found.step) == ("abort", True, view.step)


@pytest.mark.parametrize(
    "view", [at(status=ABORTED), at(status={"currentPodHash": "newer"}), at(status={"stableRS": "new"})]
)
def test_an_abort_never_meets_another_revision_nor_one_that_is_over(view: RolloutView) -> None:
    assert decided(view, verdict="abort", reason="evidence") is None


@pytest.mark.parametrize(
    ("mode", "advances", "aborts"), [("shadow", False, False), ("guard", False, True), ("enforce", True, True)]
)
def test_a_mode_limits_what_serinus_does_of_itself(mode: Mode, advances: bool, aborts: bool) -> None:
    for said, acts in (("proceed", advances), ("abort", aborts)):
        found = judged(situation(mode=mode), verdict=said)
        assert found is not None
        assert found.acts is acts


def test_a_person_is_asked_at_the_last_gate_of_a_stage_that_wants_approval() -> None:
    stages = (stage(5, 0, approval=True), stage(25, 2), stage(50, 4))
    asked = judged(situation(stages=stages))
    assert asked is not None
    assert asked.action == "await_approval"
    approved = OperatorState(approvals={1: Approval(actor="alice", command="c1")})
    found = judged(situation(operator=approved, stages=stages))
    assert found is not None
    assert (found.action, found.actor, found.acts) == ("advance", "alice", True)


def test_an_approval_for_another_step_opens_nothing() -> None:
    stages = (stage(5, 0, approval=True),)
    found = judged(
        situation(operator=OperatorState(approvals={3: Approval(actor="alice", command="c1")}), stages=stages)
    )
    assert found is not None
    assert found.action == "await_approval"


def test_who_holds_a_run_holds_it_against_a_proceed_but_not_against_an_abort() -> None:
    held = OperatorState(held_by="bob (lunch)")
    assert decided(operator=held).detail == "held by bob (lunch)"  # type: ignore[union-attr]
    assert decided(operator=held, verdict="abort").action == "abort"  # type: ignore[union-attr]


def test_a_hold_from_long_ago_is_silence_and_not_told_again() -> None:
    assert decided(verdict="hold", reason="no_data", end=NOW - 3_000 - 20_001) is None


@pytest.mark.parametrize(("said", "left"), [("proceed", ("hold", "why", False)), ("abort", ("abort", "so", True))])
def test_nothing_is_advanced_of_a_run_in_doubt_and_an_abort_needs_no_more_than_its_verdict(
    said: str, left: tuple[str, str, bool]
) -> None:
    decision = judged(replace(situation(), doubt="why"), verdict=said, sentence="so")
    assert decision is not None
    assert (decision.action, decision.detail, decision.acts) == left


def test_silence_about_a_run_in_doubt_says_the_doubt() -> None:
    silent = no_verdict(replace(situation(), doubt="why"), 1_010_000, 1_010_000 + 23_001, None)
    assert silent is not None
    assert (silent.action, silent.detail) == ("hold", "why")


def test_silence_holds_and_says_so_but_only_after_three_intervals() -> None:
    assert no_verdict(situation(), 1_010_000, 1_010_000 + 23_000, None) is None
    found = no_verdict(situation(), 1_010_000, 1_010_000 + 23_001, None)
    assert found is not None
    assert (found.action, found.acts) == ("hold", False)
    assert found.detail == "no verdict for 3 intervals: is a collector or analyzer missing, or metrics?"
    assert no_verdict(situation(at(status=ABORTED)), 0, 10**9, None) is None


def test_silence_names_the_cause_that_the_rollout_shows_and_another_cause_is_another_decision() -> None:
    pods, argo = Standstill("pods", "0 of 1 canary pods ready"), Standstill("argo", "Argo says no")
    assert no_verdict(situation(), 1_010_000, 1_010_000 + 23_000, pods) is None
    late = [no_verdict(situation(), 1_010_000, 1_010_000 + 23_001, known) for known in (None, pods, argo)]
    assert [found.detail for found in late[1:] if found] == ["0 of 1 canary pods ready", "Argo says no"]
    assert len({found.cause for found in late if found}) == 3


def test_a_pause_before_the_first_weight_is_told_at_once() -> None:
    found = no_verdict(situation(), 0, 1_000_001, Standstill("pause", "waits at a pause"))
    assert found is not None
    assert (found.action, found.detail) == ("hold", "waits at a pause")


ALWAYS = FreezeRule(days=DAYS, reason="incident 7")


def test_in_a_freeze_a_verdict_to_proceed_is_held_with_the_reason_and_until_when() -> None:
    found = judged(situation(freeze=(ALWAYS,)))
    assert found is not None
    assert (found.action, found.acts) == ("hold", False)
    assert found.detail.startswith("frozen until ")
    assert found.detail.endswith("UTC: incident 7")


def test_in_a_freeze_an_approval_advances_nothing_either() -> None:
    memory = OperatorState(approvals={1: Approval(actor="alice", command="c")})
    found = judged(situation(operator=memory, freeze=(ALWAYS,)))
    assert found is not None
    assert found.action == "hold"


def test_in_a_freeze_an_abort_is_still_carried_out() -> None:
    found = judged(situation(freeze=(ALWAYS,)), verdict="abort", reason="evidence")
    assert found is not None
    assert (found.action, found.acts) == ("abort", True)


def test_an_advance_before_the_first_weight_waits_for_no_verdict() -> None:
    first = at(spec={"strategy": {"canary": {"steps": [{"pause": {}}, *STEPS]}}}, status={"currentStepIndex": 0})
    assert not unevaluated(situation(first), None, 1_000_001)
    assert unevaluated(situation(), None, 1_000_001)
