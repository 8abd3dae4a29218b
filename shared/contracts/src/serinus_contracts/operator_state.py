"""What people decided about a run, as its controller keeps it and consoles read it."""

from typing import Self

from pydantic import Field

from serinus_contracts.base import Contract

MAX_HANDLED = 50


class Approval(Contract):
    """A person's leave to go on from one step."""

    actor: str = Field(description="who approved")
    command: str = Field(description="id of the command")


class OperatorState(Contract):
    """JSON in the field `operator` of `control:<run>`; absent where nobody decided anything."""

    approvals: dict[int, Approval] = Field({}, description="by step")
    held_by: str = Field("", description="who holds the run and why; empty: nobody")
    handled: tuple[str, ...] = Field((), description="ids of the last commands: one that comes again changes nothing")

    @classmethod
    def read(cls, document: str | bytes | None) -> Self:
        """Raises ValueError for what is not such JSON."""
        return cls.model_validate_json(document) if document else cls()

    def having_handled(self, command: str) -> Self:
        """The state after the command with this id."""
        return self.model_copy(update={"handled": (*self.handled, command)[-MAX_HANDLED:]})
