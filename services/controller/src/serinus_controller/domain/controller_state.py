"""What the controller keeps of a run, whoever leads."""

from dataclasses import dataclass, field

from serinus_contracts import VerdictReached
from serinus_contracts.operator_state import OperatorState
from serinus_rollouts.progress import Intent


@dataclass(frozen=True)
class ControllerState:
    """The controller's own memory of a run. `dedupe_key` is of the decision that was told last, so that
    none is told twice."""

    intent: Intent | None = None
    operator: OperatorState = field(default_factory=OperatorState)
    dedupe_key: str = ""
    verdict: VerdictReached | None = None
