from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView, parse_time

from tests.unit.rollouts.objects import PAUSED_AT, UNPAUSING, at, document


def test_the_gate_is_a_pause_without_end_at_which_nothing_else_is_under_way() -> None:
    assert at().at_gate
    assert not at(status=UNPAUSING).at_gate
    assert at(status=UNPAUSING).unpausing
    assert not at(status={"observedGeneration": "2"}).at_gate
    assert not at(status={"abort": True}).at_gate
    assert not at(spec={"paused": True}).at_gate
    assert not at(status={"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": PAUSED_AT}]}).at_gate


@pytest.mark.parametrize("duration", [10, "10", "10s", "5m"])
def test_a_timed_pause_is_no_gate_however_its_duration_is_written(duration: object) -> None:
    steps = [{"setWeight": 5}, {"pause": {"duration": duration}}]
    assert not at(spec={"strategy": {"canary": {"steps": steps}}}).at_gate


def test_the_observed_generation_is_text() -> None:
    assert at(status={"observedGeneration": "3"}).observed
    assert not at(status={"observedGeneration": "x"}).observed


def test_with_a_workload_the_annotation_tells_that_it_has_moved_on() -> None:
    moved = {"rollout.argoproj.io/workload-generation": "4"}
    workload: dict[str, Any] = {"metadata": {"annotations": moved}, "spec": {"workloadRef": {"name": "checkout"}}}
    assert not at(**workload, status={"workloadObservedGeneration": "3"}).observed
    assert at(**workload, status={"workloadObservedGeneration": "4"}).observed


def test_a_pause_had_begun_a_second_after_its_whole_second_at_the_latest() -> None:
    assert at().pauses[0].started_ms == 1_000_000


def test_the_revision_is_argos_annotation() -> None:
    assert at().revision is None
    metadata = {"annotations": {"rollout.argoproj.io/revision": "12"}}
    assert view(document(metadata=metadata)).revision == 12


INVALID = {"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec", "message": "weight is 150"}
BEHIND = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}


@pytest.mark.parametrize(
    ("conditions", "trouble"),
    [
        ([], ""),
        ([{"type": "Available", "status": "True", "reason": "AvailableReason", "message": "enough"}], ""),
        ([BEHIND], "ProgressDeadlineExceeded: timed out"),
        ([BEHIND, INVALID], "InvalidSpec: weight is 150"),
        ([BEHIND | {"reason": "RolloutAborted"}], "RolloutAborted: timed out"),
    ],
)
def test_what_argo_says_is_wrong_is_read_from_its_conditions_which_no_reminder_overwrites(
    conditions: list[object], trouble: str
) -> None:
    seen = at(status={"conditions": conditions, "message": "abort by Serinus, reminder 3"})
    assert seen.trouble == trouble
    assert seen.invalid is (INVALID in conditions)


def test_a_rollout_of_which_argo_has_written_nothing_yet_is_not_releasing() -> None:
    fresh = {**document(), "status": {}}
    seen = view(fresh)
    assert not seen.releasing
    assert not seen.at_gate
    assert not seen.observed


@pytest.mark.parametrize("field", ["namespace", "name", "uid", "resourceVersion"])
def test_an_object_that_no_server_would_store_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"without metadata.{field}"):
        view(document(metadata={field: None}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({*document()["status"], "conditions"})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.dictionaries(st.sampled_from(["strategy", "paused"]), JSON))
def test_whatever_stands_in_an_object_it_is_read_or_refused_but_never_trusted_to_have_a_form(
    status: dict[str, Any], spec: dict[str, Any]
) -> None:
    found = {**document(), "status": {**document()["status"], **status}, "spec": {**document()["spec"], **spec}}
    with suppress(ValueError):
        seen = view(found)
        assert seen.step >= 0 or seen.current_step is None


@given(st.text(max_size=30))
def test_a_time_that_is_none_is_zero(text: str) -> None:
    assert parse_time(text) >= 0


def of_parts(max_weight: object, set_weight: int, canary: int, stable: int) -> RolloutView:
    routing = {"nginx": {}, "maxTrafficWeight": max_weight}
    steps = [{"setWeight": set_weight}, {"pause": {}}]
    weights = {"canary": {"weight": canary, "podTemplateHash": "new"}, "stable": {"weight": stable}}
    return at(
        spec={"strategy": {"canary": {"steps": steps, "trafficRouting": routing}}},
        status={"canary": {"weights": weights}},
    )


@pytest.mark.parametrize(
    ("max_weight", "set_weight", "percent"),
    [(1000, 50, 5), (1000, 500, 50), (1000, 5, 0.5), (50, 5, 10), (3, 1, 33.3333), (None, 50, 50), (100, 50, 50)],
)
def test_weights_are_parts_of_the_max_traffic_weight(max_weight: int | None, set_weight: int, percent: float) -> None:
    whole = max_weight or 100
    seen = of_parts(max_weight, set_weight, set_weight, whole - set_weight)
    assert (seen.steps[0].weight, seen.canary_weight, seen.split, seen.max_weight) == (percent, percent, percent, whole)


def test_what_an_experiment_gets_is_no_part_of_the_split_between_the_arms() -> None:
    seen = of_parts(100, 10, 10, 60)
    assert (seen.canary_weight, seen.split) == (10, 14.2857)


MIRROR = {"setMirrorRoute": {"name": "m", "percentage": 30, "match": [{"method": {"exact": "GET"}}]}}
HEADER = {"setHeaderRoute": {"name": "h", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}}
NO_MIRROR = {"setMirrorRoute": {"name": "m"}}


@pytest.mark.parametrize(
    ("steps", "index", "routes"),
    [
        ([MIRROR, {"setWeight": 5}, {"pause": {}}], 2, ("mirror",)),
        ([{"setWeight": 5}, {"pause": {}}, MIRROR], 1, ()),
        ([HEADER, MIRROR, {"setWeight": 5}, {"pause": {}}], 3, ("header", "mirror")),
        ([MIRROR, NO_MIRROR, {"setWeight": 5}], 2, ()),
        ([MIRROR, {"setWeight": 5}, NO_MIRROR, {"pause": {}}], 2, ("mirror",)),
        ([MIRROR, {"setMirrorRoute": {"name": "other"}}, {"setWeight": 5}], 2, ("mirror",)),
        ([HEADER, {"setMirrorRoute": {"name": "h"}}, {"setWeight": 5}], 2, ("header",)),
    ],
)
def test_a_route_is_in_force_from_its_step_until_one_of_its_name_without_match_is_done(
    steps: list[dict[str, Any]], index: int, routes: tuple[str, ...]
) -> None:
    strategy = {"canary": {"steps": steps, "trafficRouting": {"istio": {}}}}
    assert at(spec={"strategy": strategy}, status={"currentStepIndex": index}).routes == routes


@pytest.mark.parametrize(
    ("said", "stable"),
    [({"stablePingPong": "ping"}, "reed-ping"), ({"stablePingPong": "pong"}, "reed-pong"), ({}, "reed-pong")],
)
def test_ping_pong_services_have_the_roles_of_the_status(said: dict[str, str], stable: str) -> None:
    names = {"pingService": "reed-ping", "pongService": "reed-pong"}
    services = at(spec={"strategy": {"canary": {"pingPong": names}}}, status={"canary": said}).ping_pong
    assert services is not None
    assert services.stable == stable
    assert {services.canary, services.stable} == {"reed-ping", "reed-pong"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": {"currentPodHash": "h" * 1_000_000}}, "a name or hash at most 253"),
        ({"status": {"stableRS": "h" * 300}}, "300 characters"),
        (
            {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 1}, {"pause": {}}] * 400}}}},
            "800 steps, at most 500",
        ),
        ({"metadata": {"labels": {f"l{number}": "v" for number in range(201)}}}, "201 labels, at most 200"),
        ({"status": {"conditions": [{"type": "x"}] * 51}}, "51 conditions, at most 50"),
    ],
)
def test_what_would_fill_memory_events_and_keys_is_not_taken_from_a_rollout(changes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        at(**changes)
