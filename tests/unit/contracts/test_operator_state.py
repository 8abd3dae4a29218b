"""What people decided about a run, as it stands in Redis."""

import pytest
from serinus_contracts.operator_state import MAX_HANDLED, Approval, OperatorState


def test_it_is_read_as_it_was_written() -> None:
    state = OperatorState(approvals={3: Approval(actor="bob", command="01J")}, held_by="alice: lunch", handled=("01J",))
    assert OperatorState.read(state.model_dump_json()) == state


def test_nothing_written_is_nothing_decided() -> None:
    assert OperatorState.read(None) == OperatorState()


@pytest.mark.parametrize("document", ["[]", "{", '{"approvals": {"x": {}}}', '{"held_by": 1}'])
def test_what_is_no_such_document_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        OperatorState.read(document)


def test_of_the_commands_that_were_handled_the_last_ones_are_known() -> None:
    state = OperatorState()
    for number in range(MAX_HANDLED + 1):
        state = state.having_handled(str(number))
    assert (state.handled[0], state.handled[-1], len(state.handled)) == ("1", str(MAX_HANDLED), MAX_HANDLED)
