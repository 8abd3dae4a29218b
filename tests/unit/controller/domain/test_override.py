from serinus_controller.domain.override import overridden

from tests.unit.controller.use_cases.registry import POLICY


def test_a_merge_patch_changes_what_it_names_and_removes_what_it_gives_as_null() -> None:
    changed = overridden(POLICY, {"interval": "5s", "falseAbortRate": 0.05})
    assert (changed.spec.interval, changed.spec.false_abort_rate) == (5, 0.05)
    assert overridden(changed, {"interval": None}).spec.interval == 30
