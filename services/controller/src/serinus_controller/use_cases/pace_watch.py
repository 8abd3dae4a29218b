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

    async def step(self) -> float:
        """A step for `forever`: an Event on the Rollouts whose interval cannot be kept and on their policies, once
        a run until it has been kept for long."""
        paced = await self.paced()
        self._times = {namespace: self._times.get(namespace, 0) + 1 for namespace in paced}
        runs, notices = dict(self.tracker.runs), self.tracker.resolver.notices
        self._calm = {uid: times + 1 for uid, times in self._calm.items() if uid in runs}
        for uid, live in runs.items():
            namespace = live.run.namespace
            if self._times.get(namespace, 0) >= TIMES and paced[namespace] > live.plan.interval:
                notices.tell(_notice(live), SUBJECT)
                self._calm[uid] = 0
            elif self._calm.get(uid) == CALM_TIMES:
                notices.settled(uid, SUBJECT)
        self._steps += 1
        if self._steps >= TIMES:
            lately = [runs[uid] for uid, times in self._calm.items() if times < CALM_TIMES and uid in runs]
            self.policies = {_origin(live): _notice(live).text for live in lately if live.plan.source == KIND}
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
