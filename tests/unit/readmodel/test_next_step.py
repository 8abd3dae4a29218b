from typing import Any

import pytest
from serinus_contracts import AnalysisPlan, DecisionTaken, Event, Pod
from serinus_contracts.freeze import FreezeRule
from serinus_contracts.judge import ThresholdRule
from serinus_contracts.operator_state import OperatorState
from serinus_readmodel.next_step import next_step
from serinus_readmodel.run_view import RunView, apply

from tests.support import RUN, observed, plan, stage, verdict

NOW = 1_012_000
ICE = FreezeRule(begin="1970-01-01", end="1970-01-02", reason="new year")


def view(
    said: dict[str, Any] | None = None, seen: dict[str, Any] | None = None, one: AnalysisPlan | None = None
) -> RunView:
    spoken = verdict(**said) if said is not None else None
    return RunView(observed(**(seen or {})), one or plan(), spoken)


UNREADY = {"steady": False, "gate_started": None, "step": 0, "pods": (Pod(name="new-1", arm="canary"),)}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (view(), "waiting for traffic to settle at 5 %"),
        (view({"step": 3}), "waiting for traffic to settle at 5 %"),
        (view(seen={"set_weight": 0.5}), "waiting for traffic to settle at 0.5 %"),
        (view(seen={"stage": -1, "gate_started": None}), "waiting for Argo to set the first weight"),
        (
            view(seen={"stage": -1}),
            "waits at a pause before the first setWeight, where nothing can be judged: a person opens it by "
            "`serinus advance shop/checkout` or `kubectl argo rollouts promote checkout -n shop`",
        ),
        (view(seen=UNREADY), "0 of 1 canary pods ready"),
        (
            view(seen={**UNREADY, "trouble": "ProgressDeadlineExceeded: x"}),
            "0 of 1 canary pods ready (ProgressDeadlineExceeded: x)",
        ),
        (
            view({}, {"trouble": "InvalidSpec: x"}),
            "Argo does nothing until the Rollout's spec is mended (InvalidSpec: x)",
        ),
        (view({"verdict": "abort"}, {"trouble": "InvalidSpec: x"}), "abort"),
        (view({}), "advances to 25 %"),
        (view({}, {"gate_started": None}), "advances to 25 % at the next gate"),
        (view({"stage": 2, "step": 5}, {"stage": 2, "step": 5}), "advances to 100 %"),
        (view({}, one=plan(mode="guard")), "guard mode aborts only: promote it to 25 % yourself"),
        (view({"verdict": "abort"}), "abort"),
        (view({"verdict": "abort"}, one=plan(mode="shadow")), "dry run: would abort; abort it yourself if you want"),
        (view({"verdict": "hold", "reason": "no_data"}), "stays at this weight until its metrics are back"),
        (
            view({"verdict": "hold", "reason": "before_minimum"}, one=plan(stages=(stage(5, 0, minimum=30.0),))),
            "earliest promotion in 18 s",
        ),
        (
            view(
                {"verdict": "hold", "reason": "insufficient_evidence"}, one=plan(judge=ThresholdRule(name="threshold"))
            ),
            "stays at 5 % until its analysis has succeeded, 48 s left",
        ),
        (
            view({"verdict": "hold", "reason": "insufficient_evidence"}),
            "stays at 5 % until no regression is seen for long enough, 48 s left",
        ),
        (
            view(
                {"verdict": "hold", "reason": "insufficient_evidence"},
                one=plan(stages=(stage(5, 0, gate="nonInferiority"),)),
            ),
            "stays at 5 % until it is shown to be no worse than allowed, 48 s left",
        ),
        (
            view({"verdict": "hold", "reason": "time_spent"}),
            "maximum stage time reached: promote or abort, or wait for conclusive data",
        ),
        (view({}, one=plan(freeze=(ICE,))), "waiting: frozen until Fri 1970-01-02 00:00 UTC: new year"),
        (view({"end": 900_000}, {"stage_started": 900_000}), "stays at this weight until the analysis resumes"),
        (view(seen={"stage_started": 900_000}), "stays at this weight until the analysis resumes"),
        (view({"end": 900_000, "verdict": "abort"}, {"stage_started": 900_000}), "abort"),
        (
            view({"verdict": "abort"}, {"aborting": True, "trouble": "InvalidSpec: no canary Service"}),
            "back to stable, when Argo carries the abort out: InvalidSpec: no canary Service",
        ),
        (view({}, {"outcome": "promoted"}), "done: the new version serves all traffic"),
        (view({}, {"outcome": "aborted"}), "done: all traffic is back on stable"),
    ],
)
def test_what_happens_next_is_said_in_one_sentence(shown: RunView, expected: str) -> None:
    assert next_step(shown, NOW) == expected


def test_a_run_whose_last_evaluation_came_late_says_how_late_and_claims_no_cause() -> None:
    told_by_events = "if its namespace is paced, the Rollout's Events say so"
    for apart, told in ((3_000, ""), (12_000, f"last evaluated 12 s after the time before, not 1 s: {told_by_events}")):
        text = next_step(view({"follows": 1_010_000 - apart}), NOW)
        assert text == "advances to 25 %" + (f"; {told}" if told else "")
    first = view({"follows": 0})
    assert next_step(first, NOW) == "advances to 25 %"
    assert "evaluated" not in next_step(view({"follows": 998_000}, {"outcome": "promoted"}), NOW)


def test_the_last_part_of_a_second_is_not_told_as_none() -> None:
    waits = view({"verdict": "hold", "reason": "before_minimum"})
    minimum_ms = round(1000 * plan().stages[0].minimum)
    now = waits.observed.stage_started + minimum_ms - 300
    assert next_step(waits, now) == "earliest promotion in 1 s"


def test_who_is_waited_for_is_told_with_the_command_to_type() -> None:
    asked = DecisionTaken(
        run=RUN, step=1, action="await_approval", cause="v", detail="d", mode="enforce", state="confirmed", decided=1
    )
    shown = RunView(observed(), plan(), verdict(), asked)
    assert next_step(shown, NOW) == "waiting for approval: serinus approve shop/checkout"


def test_a_run_that_is_held_by_a_person_says_by_whom() -> None:
    held = RunView(observed(), plan(), verdict(), None, OperatorState(held_by="alice (lunch)"))
    assert next_step(held, NOW) == "on hold by alice (lunch): stays until it is resumed"


def test_what_keeps_an_act_is_said_until_it_has_ended() -> None:
    said = "abort refused by the API server: no changes on fridays"
    kept = DecisionTaken(
        run=RUN, step=1, action="abort", cause="v", detail=said, mode="enforce", state="waiting", decided=1
    )
    shown = RunView(observed(), plan(), verdict(verdict="abort", reason="evidence"))

    def after(*events: Event) -> str:
        view: RunView | None = shown
        for event in events:
            view = apply(view, event)
        assert view is not None
        return next_step(view, NOW)

    assert after(kept) == said
    hold = kept.model_copy(update={"action": "hold", "detail": "settling", "state": "confirmed", "decided": 2})
    refused = hold.model_copy(update={"action": "refused", "asked": "hold", "actor": "alice", "decided": 3})
    assert after(kept, hold, refused) == said
    done = kept.model_copy(update={"state": "confirmed"})
    assert after(kept, hold, done) == after(done, hold, kept) == "abort"
    assert after(kept, observed(outcome="aborted")) == "done: all traffic is back on stable"
    advance = kept.model_copy(update={"action": "advance"})
    assert after(advance, hold) == said
    assert after(advance, observed(step=3, stage=1)) != said
