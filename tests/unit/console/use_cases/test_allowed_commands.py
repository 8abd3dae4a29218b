from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_console.use_cases.allowed_commands import NotNowError, sendable
from serinus_contracts import VerdictReached
from serinus_contracts.events import Verb
from serinus_controller.domain.decide import Situation
from serinus_controller.domain.decide import unevaluated as controllers
from serinus_readmodel.reader.commands import command
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import unevaluated
from serinus_rollouts.reading import view

from tests.support import RUN, observed, plan, verdict
from tests.unit.rollouts.objects import document

NOW = 1_012_000


@pytest.mark.parametrize(
    ("verb", "seen", "step", "change", "why"),
    [
        ("abort", {"outcome": "promoted"}, None, {}, "the run is over: promoted"),
        ("retry", {}, None, {}, "only an aborted run can be tried again; this one is live"),
        ("approve", {}, 3, {}, "the run is at step 1, not 3 any more"),
        ("advance", {"gate_started": None}, None, {}, "does not wait at a gate"),
        ("override", {}, None, {}, "a change is given with override, and only there"),
        ("hold", {}, None, {"interval": "10s"}, "a change is given with override, and only there"),
    ],
)
def test_what_the_controller_would_refuse_is_not_sent(
    verb: Verb, seen: dict[str, Any], step: int | None, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotNowError, match=why):
        sendable(RunView(observed(**seen), plan(), verdict()), verb, step, change, NOW)


@pytest.mark.parametrize(("verb", "seen"), [("abort", {}), ("advance", {}), ("retry", {"outcome": "aborted"})])
def test_what_can_be_done_is_sent(verb: Verb, seen: dict[str, Any]) -> None:
    sendable(RunView(observed(**seen), plan(), verdict()), verb, 1, {}, NOW)


def test_an_advance_before_the_first_verdict_at_the_weight_must_be_forced() -> None:
    fresh = RunView(observed(stage=1, set_weight=25), plan(), verdict())
    with pytest.raises(NotNowError, match="nothing was evaluated at 25 % yet"):
        sendable(fresh, "advance", 1, {}, NOW)
    sendable(fresh, "advance", 1, {}, NOW, force=True)


@given(
    st.none()
    | st.builds(
        lambda reason, stage, started, end: verdict(reason=reason, stage=stage, stage_started=started, end=end),
        st.sampled_from(["settling", "no_regression", "no_data"]),
        st.integers(0, 1),
        st.sampled_from([1_000_000, 900_000]),
        st.integers(900_000, 1_100_000),
    ),
    st.integers(1_000_000, 1_200_000),
)
def test_what_is_not_evaluated_yet_is_what_the_controller_calls_so(said: VerdictReached | None, now: int) -> None:
    one = plan()
    there = Situation(view(document()), RUN, one, 1_000_000)
    assert unevaluated(RunView(observed(), one, said), now) == controllers(there, said, now)


def test_a_command_names_its_run_and_step_expires_and_carries_who_was_verified() -> None:
    sent = command(
        RunView(observed(), plan()), "abort", "alice", "known issue", {}, 1_000, verified=True, groups=("sre",)
    )
    assert (sent.run.name, sent.step, sent.expires) == ("checkout", 1, 121_000)
    assert (sent.actor, sent.verified, sent.groups, sent.reason) == ("alice", True, ("sre",), "known issue")
