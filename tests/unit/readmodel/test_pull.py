from typing import Any

import pytest
from serinus_contracts import AnalysisPlan
from serinus_contracts.freeze import FreezeRule
from serinus_contracts.operator_state import Approval, OperatorState
from serinus_readmodel.pull import answer, find
from serinus_readmodel.run_view import RunView

from tests.support import RUN, observed, plan, stage, verdict

NOW = 1_012_000
FREE = OperatorState()
APPROVED = OperatorState(approvals={1: Approval(actor="bob", command="c")})
ICE = FreezeRule(begin="1970-01-01", end="1970-01-02", reason="new year")


def view(
    said: dict[str, Any] | None, one: AnalysisPlan | None = None, operator: OperatorState = FREE, **seen: Any
) -> RunView:
    return RunView(observed(**seen), one or plan(), None if said is None else verdict(**said), None, operator)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (view({}), ("proceed", "no_regression")),
        (view({"verdict": "abort", "reason": "evidence"}), ("abort", "evidence")),
        (view({"verdict": "hold", "reason": "no_data"}), ("hold", "no_data")),
        (view(None), ("hold", "no_verdict")),
        (view({}, step=3, stage=1), ("hold", "other_step")),
        (view({}, stage_started=1_009_500), ("hold", "other_step")),
        (view({"verdict": "abort", "reason": "evidence"}, step=3, stage=1), ("abort", "evidence")),
        (view({}, operator=OperatorState(held_by="alice: lunch")), ("hold", "held")),
        (view({"verdict": "abort", "reason": "limit"}, operator=OperatorState(held_by="alice")), ("abort", "limit")),
        (view({}, plan(freeze=(ICE,))), ("hold", "frozen")),
        (view({}, plan(freeze=(ICE,)), APPROVED), ("hold", "frozen")),
        (view({}, plan(stages=(stage(5, 0, approval=True),))), ("hold", "await_approval")),
        (view({}, plan(stages=(stage(5, 0, approval=True),)), APPROVED), ("proceed", "no_regression")),
    ],
)
def test_only_a_verdict_on_the_present_step_that_nobody_holds_proceeds(
    shown: RunView, expected: tuple[str, str]
) -> None:
    told = answer([shown], "shop/checkout", NOW)
    assert (told.verdict, told.reason) == expected
    assert told.hash == "new"


@pytest.mark.parametrize("said", ["proceed", "abort", "hold"])
def test_an_old_verdict_holds_whatever_it_said(said: str) -> None:
    told = answer([view({"verdict": said})], "shop/checkout", 1_010_000 + 23_001)
    assert (told.verdict, told.reason) == ("hold", "stale")
    assert answer([view({"verdict": said})], "shop/checkout", 1_010_000 + 23_000).verdict == said


def test_no_run_and_several_runs_are_neither_proceed_nor_abort() -> None:
    assert answer([], "shop/checkout", NOW).reason == "unknown_run"
    told = answer([view({}), view({})], "shop/checkout", NOW)
    assert (told.verdict, told.reason) == ("unknown", "ambiguous")


def test_only_live_runs_of_the_rollout_and_its_hash_are_found() -> None:
    live = view({})
    ended = view({}, outcome="aborted")
    other = view({}, run=RUN.model_copy(update={"name": "payments"}))
    east = view({}, run=RUN.model_copy(update={"cluster": "east"}))
    views = [live, ended, other, east]
    assert find(views, "shop", "checkout", "", "") == [live, east]
    assert find(views, "shop", "checkout", "new", "east") == [east]
    assert find(views, "shop", "checkout", "older", "") == []
