"""Tells whose snapshots come later than they ask for, since their namespace has used up its share (docs/adr/0078)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from serinus_contracts.crd import KIND

from serinus_controller.domain.announce import Notice
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.run_tracker import RunTracker

EVERY_SECONDS = 5.0
# A moment's rush is over by then.
TIMES = 3
# What was paced within ten minutes is paced still: a share that is just used up comes and goes.
CALM_TIMES = 120
SUBJECT = "pace"


@dataclass
class PaceWatch:
    """`paced`: namespaces by how many seconds ahead of now their share of the time is used up.

    `policies`: what is to stand on the policies that are resources and whose interval has not been kept, by origin;
    None until that is known.
    """

    tracker: RunTracker
    paced: Callable[[], Awaitable[Mapping[str, float]]]
    policies: Mapping[str, str] | None = None
    _steps: int = 0
    _times: Mapping[str, int] = field(default_factory=dict)
    _calm: dict[str, int] = field(default_factory=dict)
    # By origin, the step at which it was slowed last, and the text: a release is often over before its policy is calm.
    _slowed: dict[str, tuple[int, str]] = field(default_factory=dict)

    async def step(self) -> float:
        """A step for `forever`: an Event on the Rollouts whose interval cannot be kept and on their policies, once
        a run until it has been kept for long."""
        paced = await self.paced()
        self._times = {namespace: self._times.get(namespace, 0) + 1 for namespace in paced}
        runs, notices = dict(self.tracker.runs), self.tracker.resolver.notices
        self._calm = {uid: times + 1 for uid, times in self._calm.items() if uid in runs}
        self._steps += 1
        for uid, live in runs.items():
            namespace = live.run.namespace
            if self._times.get(namespace, 0) >= TIMES and paced[namespace] > live.plan.interval:
                notice = _notice(live)
                notices.tell(notice, SUBJECT)
                self._calm[uid] = 0
                if live.plan.source == KIND:
                    self._slowed[_origin(live)] = (self._steps, notice.text)
            elif self._calm.get(uid) == CALM_TIMES:
                notices.settled(uid, SUBJECT)
        self._slowed = {origin: last for origin, last in self._slowed.items() if self._steps - last[0] < CALM_TIMES}
        if self._steps >= TIMES:
            self.policies = {origin: text for origin, (_, text) in self._slowed.items()}
        return EVERY_SECONDS


def _origin(live: LiveRun) -> str:
    return f"{KIND} {live.run.namespace}/{live.plan.policy}"


def _notice(live: LiveRun) -> Notice:
    run, plan = live.run, live.plan
    text = (
        f"snapshots come later than the {plan.interval:g} s that policy {plan.origin} asks for: those of namespace "
        f"{run.namespace} take more time of collectors and analyzers than its share. Ask less often, or for fewer "
        "metrics or series; or have an administrator raise SERINUS_NAMESPACE_SHARE"
    )
    return Notice(run.namespace, run.name, run.uid, text, (plan.policy,) if plan.source == KIND else ())
