from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_console.entrypoints.web import run_page
from serinus_contracts import Channel, Counts, DataQuality, DecisionTaken, Margin, MetricVerdict
from serinus_contracts.events import Action
from serinus_contracts.operator_state import OperatorState
from serinus_readmodel import metrics
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import state_of

from tests.support import RUN, command, observed, plan, stage, verdict

NOW = 1_012_000
counts = st.builds(lambda n, k: Counts(events=min(n, k), trials=n), st.integers(0, 10**7), st.integers(0, 10**7))
bound = st.none() | st.floats(0.1, 10)


@given(counts, counts, bound, bound, st.sampled_from(["lower", "higher"]), st.floats(0, 3))
def test_an_interval_stays_on_its_axis_and_its_words_are_its_bounds(
    canary: Counts, stable: Counts, low: float | None, high: float | None, better: Any, ratio: float
) -> None:
    if low is not None and high is not None:
        low, high = sorted((low, high))
    channel = Channel(canary=canary, stable=stable, margin=Margin(ratio=ratio, absolute=0.001), low=low, high=high)
    metric = MetricVerdict(
        name="m",
        label="ok",
        status="ok",
        better=better,
        share=1,
        log_eprocess=0,
        run=(channel,),
        stage=(canary, stable),
    )
    (row,) = metrics.rows(verdict(metrics=(metric,)), None)
    if row.bar is None:
        assert low is high is None
        return
    assert 0 <= row.bar.low <= row.bar.high <= 100
    assert row.bar.point is None or 0 <= row.bar.point <= 100
    assert ("at most" in row.bar.text) is (low is None and high is not None)
    assert ("between" in row.bar.text) is (low is not None and high is not None)


def decided(action: Action, cause: str = "v", **other: Any) -> DecisionTaken:
    fields = {"run": RUN, "step": 1, "action": action, "cause": cause, "detail": "d", "mode": "enforce", "decided": 9}
    return DecisionTaken(**({"state": "confirmed"} | fields | other))


VIEW = RunView(observed(), plan(), verdict())


@pytest.mark.parametrize(
    ("view", "word"),
    [
        (VIEW, "proceed"),
        (replace(VIEW, verdict=verdict(verdict="abort")), "abort"),
        (replace(VIEW, verdict=verdict(verdict="hold", reason="no_data")), "no metrics"),
        (replace(VIEW, verdict=verdict(verdict="hold", reason="time_spent")), "maximum time reached"),
        (replace(VIEW, verdict=verdict(verdict="hold", reason="settling")), "analysing"),
        (replace(VIEW, verdict=None), "starting"),
        (replace(VIEW, decision=decided("await_approval")), "needs approval"),
        (replace(VIEW, operator=OperatorState(held_by="alice")), "on hold"),
        (replace(VIEW, observed=observed(step=2)), "settling"),
        (replace(VIEW, observed=observed(outcome="promoted")), "promoted"),
    ],
)
def test_a_run_is_one_word(view: RunView, word: str) -> None:
    assert state_of(view, NOW).word == word


def test_a_verdict_that_is_old_is_told_before_what_it_said() -> None:
    assert state_of(replace(VIEW, verdict=verdict(verdict="abort")), NOW + 60_000).word == "analysis stalled"


def verbs(view: RunView) -> list[str]:
    return [offer.verb for offer in run_page.offers(view, NOW) if not offer.blocked]


def test_what_is_offered_can_be_done_now() -> None:
    assert verbs(VIEW) == ["abort", "hold", "advance"]
    assert verbs(replace(VIEW, observed=observed(gate_started=None))) == ["abort", "hold"]
    assert verbs(replace(VIEW, verdict=verdict(stage_started=1))) == ["abort", "hold"]
    assert verbs(replace(VIEW, operator=OperatorState(held_by="alice"))) == ["abort", "resume", "advance"]
    assert verbs(replace(VIEW, decision=decided("await_approval"))) == ["abort", "hold", "advance", "approve"]
    asks = replace(VIEW, plan=plan(stages=(stage(5, 0, approval=True),)))
    assert verbs(asks) == ["abort", "hold", "advance", "approve"]
    assert verbs(replace(VIEW, observed=observed(outcome="aborted"))) == ["retry"]
    assert verbs(replace(VIEW, observed=observed(outcome="promoted"))) == []


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_button_keeps_its_place_whatever_comes_and_goes_and_only_abort_is_red(
    gate: bool, held: bool, asked: bool, fresh: bool
) -> None:
    view = replace(
        VIEW,
        observed=observed(gate_started=1 if gate else None),
        operator=OperatorState(held_by="alice" if held else ""),
        decision=decided("await_approval") if asked else None,
        verdict=verdict(stage_started=1 if fresh else 1_000_000),
    )
    offers = run_page.offers(view, NOW)
    assert [offer.verb for offer in offers[:3]] == ["abort", "resume" if held else "hold", "advance"]
    assert [offer.verb for offer in offers if offer.tone == "grave"] == ["abort"]
    assert (offers[2].tone, offers[2].text) == ("warn", "Advance: 5 % to 25 %")


def test_an_offer_tells_its_consequence() -> None:
    told = {offer.verb: offer.consequence for offer in run_page.offers(VIEW, NOW)}
    assert told["abort"].startswith("All traffic goes back to stable old.")
    assert told["advance"].startswith("The canary gets 25 % of the traffic now")


def test_no_tick_stands_beside_what_has_no_bound() -> None:
    channel = Channel(canary=Counts(events=5, trials=900), stable=Counts(), margin=Margin(ratio=0, absolute=0.1))
    limit = MetricVerdict(
        name="errors above 0.1", label="ok", status="ok", limit=True, share=0, log_eprocess=-1, run=(channel,)
    )
    (row,) = metrics.rows(verdict(metrics=(limit,)), None)
    assert (row.mark, row.said) == ("~", "below its limit so far")


def test_the_audit_trail_names_who_asked_and_what_nobody_has_answered() -> None:
    history = RunHistory(VIEW)
    asked = command("abort", actor="alice", verified=True, reason="bad")
    history.apply(asked)
    pending, *_ = run_page.audit(history, NOW)
    assert (pending.who, pending.what, pending.reason, pending.pending) == ("alice", "abort requested", "bad", True)
    history.apply(decided("abort", asked.id))
    history.apply(decided("hold", detail="before_minimum", decided=8))
    done, routine = run_page.audit(history, NOW)
    assert (done.who, done.verified, done.what, done.pending) == ("alice", True, "abort", False)
    assert (routine.routine, routine.effect) == (True, "before minimum")


def test_a_command_that_expired_unanswered_says_so() -> None:
    history = RunHistory(VIEW)
    history.apply(command("abort"))
    assert run_page.audit(history, 3_000_000)[0].effect == "expired without an answer"


@pytest.mark.parametrize(
    ("verb", "action", "detail", "effect"),
    [
        ("approve", "recorded", "recorded; the gate stays closed: no data", "recorded; the gate stays closed: no data"),
        ("resume", "recorded", "resumed; the gate stays closed: no data", "resumed; the gate stays closed: no data"),
        ("advance", "refused", "nothing was evaluated yet", "refused: nothing was evaluated yet"),
        ("advance", "advance", "5 % to 25 %", "5 % to 25 %"),
    ],
)
def test_the_audit_trail_has_the_verb_that_was_asked_and_its_effect_apart(
    verb: Any, action: Action, detail: str, effect: str
) -> None:
    history = RunHistory(VIEW)
    history.apply(decided(action, asked=verb, actor="alice", reason="looks good", detail=detail))
    (line,) = run_page.audit(history, NOW)
    assert (line.what, line.who, line.reason, line.effect) == (verb, "alice", "looks good", effect)


def test_pods_that_can_only_come_near_to_a_weight_are_shown_and_are_no_mismatch() -> None:
    shown = run_page.exposure(RunView(observed(set_weight=0.5, actual_weight=20), plan()), NOW)
    assert (shown.set_weight, shown.actual_weight, shown.expected, shown.mismatch) == (0.5, 20, "20 %", False)


def test_counts_that_settle_are_no_fault_of_the_data_and_other_missing_ones_are() -> None:
    def metric(name: str, label: Any) -> MetricVerdict:
        return MetricVerdict(name=name, label=label, status=label, share=1, log_eprocess=0, run=())

    fields = {"verdict": "hold", "metrics": (metric("errors", "settling"), metric("latency", "no_data"))}
    settling = verdict(**fields, reason="settling", quality=DataQuality(missing=("errors",)))
    healthy, notes = run_page.health(replace(VIEW, verdict=settling), stale=False)
    assert (healthy, notes[0]) == (True, "waiting for traffic to settle")
    blind = verdict(**fields, reason="no_data", quality=DataQuality(missing=("errors", "latency")))
    healthy, notes = run_page.health(replace(VIEW, verdict=blind), stale=False)
    assert (healthy, notes[0]) == (False, "not evaluated: latency (no data)")
