import jsonpatch
import pytest
from serinus_rollouts import patches

from tests.unit.rollouts.objects import ABORTED, UNPAUSING, at, document, step


def test_a_promotion_ends_exactly_the_pause_it_was_decided_about() -> None:
    patch = patches.promote(at())
    after = jsonpatch.apply_patch(document(), patch)
    assert "pauseConditions" not in after["status"]
    assert {one["op"] for one in patch[:-1]} == {"test"}


@pytest.mark.parametrize(
    "moved",
    [
        {"status": {"currentStepIndex": 3}},
        {"status": {"currentPodHash": "newer"}},
        {"status": {"currentStepHash": "s2"}},
        {"status": {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "1970-01-01T00:20:00Z"}]}},
        {"status": {"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": "1970-01-01T00:16:39Z"}]}},
        {"status": UNPAUSING},
        {"metadata": {"generation": 4}},
        {"metadata": {"uid": "u-2"}},
    ],
)
def test_a_promotion_fails_on_a_rollout_that_has_moved_in_any_way(moved: dict[str, dict[str, object]]) -> None:
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        jsonpatch.apply_patch(document(**moved), patches.promote(at()))


def test_an_abort_needs_no_pause_and_spares_another_revision() -> None:
    view = step(3, 25, status=UNPAUSING)
    assert jsonpatch.apply_patch(document(), patches.abort(view))["status"]["abort"] is True
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(document(status={"currentPodHash": "newer"}), patches.abort(view))


def test_a_reminder_changes_nothing_that_argo_reads() -> None:
    assert patches.nudge("x") == {"status": {"message": "x"}}
    assert ABORTED["abort"] is True


def test_the_tests_of_a_patch_hold_of_what_it_was_made_for_and_not_of_what_has_moved_on() -> None:
    for patch in (patches.promote(at()), patches.abort(at())):
        assert patches.holds(patch, document())
        assert not patches.holds(patch, document(metadata={"generation": 4}))
        assert not patches.holds(patch, document(status={"currentPodHash": None}))
    assert not patches.holds(patches.promote(at()), document(status=UNPAUSING))
    assert not patches.holds(patches.promote(at()), document(status={"pauseConditions": []}))
    absent = [{"op": "test", "path": "/status/nothing/0/at", "value": None}]
    assert patches.holds(absent, document()), "as the API server has it"
