"""What the controller remembers of one run while it leads."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from serinus_rollouts.runs import version_of

from serinus_controller.domain.decide import Decision, Situation
from serinus_controller.use_cases.live_run import LiveRun
from serinus_controller.use_cases.ports import ControllerState


@dataclass
class RunState:
    """One run while this controller leads; under `lock` one thing after another is decided about it.

    `done`: the last action that was seen to be done, and the version of the Rollout in which it was.
    """

    control: ControllerState
    act: asyncio.Task[None] | None = None
    done: tuple[str, int] = ("", 0)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def change(self, **fields: Any) -> None:
        """Change fields of what is remembered."""
        self.control = replace(self.control, **fields)

    def situation(self, live: LiveRun) -> Situation:
        """What is decided on. The Rollout must have been seen."""
        assert live.view is not None
        return Situation(live.view, live.run, live.plan, live.last_published.stage_started, self.control.operator)

    def was_done(self, live: LiveRun, decision: Decision) -> bool:
        """Whether it was decided on a Rollout older than the one in which the same was seen to be done: a watch may
        be slow, and silence may have been told in between."""
        assert live.view is not None
        action, version = self.done
        return action == decision.action and version_of(live.view) < version
