"""The simulator against the recordings of Argo, transition by transition."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from serinus_simulator.world.scenario import Argo

from tests.contract.simulator.recordings import Names, recording, timeless
from tests.contract.simulator.replay import Outcome, Script, agree, script

SCENARIOS = (
    "full-run",
    "abort-and-retry",
    "abort-then-new-image",
    "new-revision-during-run",
    "rollback-during-run",
    "timed-pauses",
    "operator-promotes-first",
    "promote-full",
    "spec-paused-and-resumed",
    "scaled-during-pause",
    "steps-edited-during-run",
    "without-traffic-routing",
    "max-traffic-weight",
    "workload-ref",
    "canary-never-ready",
    "canary-never-ready-abort",
    "canary-crash-loops",
    "deleted-during-run",
)
ANALYSES = ("analysis-fails", "analysis-inconclusive", "analysis-pull", "analysis-pull-1.9.1")
ARGO = {
    "lost-promote-1.9.1": Argo(version="1.9.1", lose_promotes=1.0),
    "lost-abort-1.9.1": Argo(version="1.9.1", lose_promotes=0.0, lose_aborts=1.0),
    "analysis-pull-1.9.1": Argo(version="1.9.1"),
}
LOSING = ("lost-promote-1.9.1", "lost-abort-1.9.1")


@cache
def replayed(name: str) -> tuple[Script, Outcome]:
    wanted = script(recording(name))
    return wanted, agree(wanted, ARGO.get(name))


@pytest.mark.parametrize("name", [*SCENARIOS, *LOSING, *ANALYSES])
def test_the_recorded_requests_bring_the_recorded_states_and_answers(name: str) -> None:
    wanted, outcome = replayed(name)
    assert outcome.states == wanted.states
    codes = [(request.event["n"], request.code) for request in wanted.requests]
    assert [(number, answer.status_code) for (number, _), answer in zip(codes, outcome.answers, strict=True)] == codes
    refused = [
        (request.body, answer.json())
        for request, answer in zip(wanted.requests, outcome.answers, strict=True)
        if request.code >= 400
    ]
    assert [answer for _, answer in refused] == [body for body, _ in refused]
    assert at_rest(outcome.last, outcome.names) == at_rest(wanted.last, wanted.names)


def test_an_argo_that_loses_nothing_does_not_agree_with_the_recording_of_one_that_does() -> None:
    wanted = script(recording("lost-promote-1.9.1"))
    assert agree(wanted).states != wanted.states


def test_statuses_have_the_recorded_fields_conditions_and_kinds_of_values() -> None:
    """The whole status at each distinct state of a full run, but for duration, which v1.9.1 does not write either."""
    wanted, outcome = replayed("full-run")
    assert len(outcome.statuses) == len(wanted.statuses)
    for recorded, simulated in zip(wanted.statuses, outcome.statuses, strict=True):
        assert shape(simulated) == shape(recorded)


@pytest.mark.parametrize("name", ANALYSES)
def test_analysis_runs_have_the_recorded_specs_measurements_and_generations(name: str) -> None:
    wanted, outcome = replayed(name)
    recorded = [timeless(run, wanted.names) for run in wanted.runs]
    assert [timeless(run, outcome.names) for run in outcome.runs] == recorded


@pytest.mark.parametrize("name", [*SCENARIOS, *LOSING, *ANALYSES])
def test_events_are_the_recorded_ones_in_their_order(name: str) -> None:
    wanted, outcome = replayed(name)
    recorded = without_flapping([timeless(event, wanted.names) for event in wanted.events])
    simulated = without_flapping([timeless(event, outcome.names) for event in outcome.events])
    if name not in FLAPPING:
        assert simulated == recorded
    for about in {event[0] for event in recorded}:
        of_it = [event for event in recorded if event[0] == about]
        # beyond 25 nothing more is told of a Rollout, and where its Service flaps that is sooner
        assert [event for event in simulated if event[0] == about][: len(of_it)] == of_it


FLAPPING = ("lost-abort-1.9.1", "analysis-fails")
"""After an abort Argo switches the canary Service to and fro, which the simulator does not."""


def without_flapping(events: list[list[str]]) -> list[list[str]]:
    reasons = [event[2] for event in events]
    aborted = reasons.index("RolloutAborted") if "RolloutAborted" in reasons else len(events)
    return [event for number, event in enumerate(events) if number < aborted or event[2] != "SwitchService"]


def at_rest(rollout: dict[str, Any], names: Names) -> dict[str, Any]:
    """A whole status but for duration, hashes of steps and times: counts, conditions and their messages too."""
    text = json.dumps(rollout.get("status") or {})
    for pod_hash, letter in names.letters.items():
        text = text.replace(pod_hash, letter)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    status: dict[str, Any] = json.loads(text)
    status["conditions"] = sorted(status.get("conditions", []), key=lambda condition: str(condition["type"]))
    return {key: value for key, value in status.items() if key not in ("duration", "currentStepHash")}


def shape(status: dict[str, object] | None) -> object:
    """Which fields there are and of which type, and which conditions say what."""
    if status is None:
        return None
    fields = {key: type(value).__name__ for key, value in status.items() if key != "duration"}
    conditions = status.get("conditions")
    assert conditions is None or isinstance(conditions, list)
    said = {(one["type"], one["status"], one["reason"]) for one in conditions or [] if one["type"] != "Paused"}
    keys = {frozenset(one) for one in conditions or []}
    for moving in ("message", "readyReplicas", "availableReplicas", "updatedReplicas", "HPAReplicas", "replicas"):
        fields.pop(moving, None)
    return fields, {one for one in said if one[0] != "Progressing"}, keys
