"""What the controller needs from outside."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from serinus_contracts import AnalysisPlan, DecisionTaken, RolloutObserved, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.operator_state import OperatorState
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.patches import Patch
from serinus_rollouts.progress import Intent
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt
from serinus_runtime.errors import TransientError

from serinus_controller.domain.controller_state import ControllerState


class RefusedError(ClusterError):
    """The API server, or an admission policy in it, refuses what was asked, though it fits the Rollout as it stands."""


class DeposedError(TransientError):
    """Another controller has begun to lead; what is left to do is its."""


class LostError(TransientError):
    """Redis lacks what this controller had written; nothing is written or acted on before it has planned again."""


class Rollouts(Protocol):
    """Acting on Rollouts."""

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        """The newest state, None if there is no such Rollout. Raises ClusterError."""
        ...

    async def patch_status(self, namespace: str, name: str, patch: Patch | dict[str, Any]) -> RolloutView | None:
        """JSON patch (a list) or merge patch (a dict) of the status; what it has made of the Rollout, None if a test
        in it failed or the Rollout is gone. Raises RefusedError, or ClusterError for what is no answer to it."""
        ...


class Registry(Protocol):
    """Runs as the other services see them."""

    async def attempt(self, cluster: str, view: RolloutView, *, another: bool = False) -> Attempt:
        """Count and keep the Rollout's attempt; `another` counts one more at the same template."""
        ...

    async def now(self) -> Millis:
        """The clock that all services share."""
        ...

    async def live(self, cluster: str) -> Sequence[RolloutObserved]:
        """What was told last of each run of the cluster that has not ended."""
        ...

    async def observe(
        self, event: RolloutObserved, plan: AnalysisPlan, constant_until: Millis | None, *, publish: bool
    ) -> None:
        """Make the run known, or what changed of it; an older observation than the last changes nothing."""
        ...

    async def constant(self, published: Sequence[RolloutObserved], until: Millis) -> Collection[str]:
        """Runs stand as was told last of each, `until` then at least; gives the uids of those that are known
        otherwise, or not at all, and have to be observed."""
        ...

    async def retire(self, event: RolloutObserved) -> None:
        """The run has ended: publish it and let its keys expire."""
        ...

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """The plan of this digest, None if it is not there or not whole."""
        ...


class Journal(Protocol):
    """The controller's memory, and what it tells of its decisions."""

    async def load(self, run: Run) -> ControllerState:
        """What is kept of a run, also if that is nothing."""
        ...

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        """Keep the newest verdict."""
        ...

    async def keep(self, run: Run, operator: OperatorState) -> None:
        """Keep what people decided."""
        ...

    async def begin(self, run: Run, intent: Intent, dedupe_key: str, operator: OperatorState) -> None:
        """Write the intent down before anything is sent, and that the command that asked for it was followed."""
        ...

    async def restore(self, run: Run, control: ControllerState) -> None:
        """Write down all that is remembered of a run."""
        ...

    async def tell(self, decision: DecisionTaken, *, dedupe_key: str, ends_intent: bool = False) -> None:
        """Publish a decision and keep its dedupe key; with `ends_intent` the open intent is closed in the same step."""
        ...
