"""All runs of the cluster as they stand: keeps the registry true while Rollouts and pods change."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from serinus_contracts import Run
from serinus_contracts.base import Millis
from serinus_contracts.events import Outcome
from serinus_contracts.policy import CanaryPolicy
from serinus_rollouts.resolve import UnfitPolicyError
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import run_of, uid_of, version_of
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints
from serinus_runtime.fair_slots import in_turns

from serinus_controller.domain.announce import Notice
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.observe import ended, outcome_of
from serinus_controller.use_cases.admission import Admission
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.pod_index import PodIndex
from serinus_controller.use_cases.ports import Registry
from serinus_controller.use_cases.rollout_updates import RolloutUpdates
from serinus_controller.use_cases.run_observer import RunObserver

logger = logging.getLogger(__name__)
TOGETHER = 20


class RunTracker:
    """The runs of one cluster, by their Rollout's uid. No `namespaces` are all; `max_runs`: how many of a namespace are
    judged at once."""

    def __init__(
        self,
        registry: Registry,
        cluster: str,
        resolver: PlanResolver,
        namespaces: Collection[str] = (),
        complaints: Complaints | None = None,
        max_runs: int = 1_000,
    ) -> None:
        self._registry, self._cluster, self.resolver, self._namespaces = registry, cluster, resolver, namespaces
        self._complaints = complaints or Complaints()
        self.runs: dict[str, LiveRun] = {}
        self.updates = RolloutUpdates()
        self.pods = PodIndex()
        self._observer, self._admission = RunObserver(registry, self._complaints), Admission(max_runs)
        self._unfit: dict[str, tuple[object, ...]] = {}
        self._unobserved: dict[str, str] = {}
        self._aborted: dict[str, RolloutView] = {}
        # An observation that an override overtakes would else put the run back that it has ended.
        self._changing = asyncio.Lock()

    async def restore(self) -> None:
        """Take up the runs that a leader before us knew; those of namespaces that are watched no longer end."""
        remembered = dict(self.runs)
        for published in await self._registry.live(self._cluster):
            if self._namespaces and published.run.namespace not in self._namespaces:
                logger.warning("run %s ends: its namespace is not watched any more", published.run.id)
                with self._complaints.about("run", published.run.id):
                    await self._registry.retire(ended(published, "deleted", published.resource_version, None))
                continue
            known = remembered.get(published.run.uid)
            if known and known.run.id != published.run.id:
                # What Redis has is older than what is remembered.
                await self._registry.retire(ended(published, "superseded", published.resource_version, None))
                continue
            plan = None
            with self._complaints.about("run", published.run.id):
                plan = await self._registry.plan(published.plan)
            if plan is None:
                logger.error("run %s has lost its plan: it is resolved again", published.run.id)
                self.resolver.refused()
                continue
            self.runs.setdefault(published.run.uid, LiveRun(published.run, plan, published))

    async def know_again(self, live: LiveRun) -> None:
        """Take up a run that the registry has lost, and make it known as it was told last."""
        if live.view:
            counted = await self._registry.attempt(self._cluster, live.view)
            for _ in range(counted.number, live.run.attempt):
                await self._registry.attempt(self._cluster, live.view, another=True)
        if live.last_published.resource_version:
            await self._registry.observe(live.last_published, live.plan, None, publish=True)
        self.runs[live.run.uid] = replace(live, view=None, basis=())

    async def see_all(
        self, views: Sequence[RolloutView], *, asked: Millis, namespace: str, unread: Collection[str] = ()
    ) -> None:
        """A full and consistent list of the Rollouts of a namespace (of all if it is empty), asked for at `asked`.

        `unread`: uids of those that are there and cannot be read.
        """
        for view in views:
            self.updates.publish(view)
        seen = await self._registry.now()
        self._admission.listed((live.run.namespace, live.plan) for live in self.runs.values())
        views = in_turns(views, lambda view: view.namespace)
        for first in range(0, len(views), TOGETHER):
            # Acts that are under way go on: of what has not changed, nothing is waited for.
            await asyncio.sleep(0)
            async with self._changing:
                unchanged = [await self._seen(view, seen, asked) for view in views[first : first + TOGETHER]]
                await self._observer.constant([live for live in unchanged if live], asked)
        present = {view.uid for view in views} | set(unread)
        async with self._changing:
            for uid, live in list(self.runs.items()):
                if uid not in present and namespace in ("", live.run.namespace):
                    with self._complaints.about("run", live.run.id):
                        await self._end(live, "deleted", live.last_published.resource_version, None)
            if not namespace:
                self._unobserved = {uid: why for uid, why in self._unobserved.items() if uid in present}

    async def see(self, view: RolloutView) -> None:
        """One change of a Rollout."""
        self.updates.publish(view)
        seen = await self._registry.now()
        async with self._changing:
            await self._seen(view, seen, None)

    async def gone(self, view: RolloutView) -> None:
        """A Rollout was deleted."""
        self._aborted.pop(view.uid, None)
        self._unobserved.pop(view.uid, None)
        self._unfit.pop(view.uid, None)
        self.resolver.notices.forget(view.uid)
        async with self._changing:
            live = self.runs.get(view.uid)
            if live:
                with self._complaints.about("run", live.run.id):
                    await self._end(live, "deleted", view.resource_version, None)

    def unreadable(self, namespace: str, name: str, uid: str, problem: str) -> None:
        """A Rollout that is there and cannot be read."""
        self.resolver.notices.tell(Notice(namespace, name, uid, f"{namespace}/{name} is not judged: {problem}"))

    def doubt(self, run: Run) -> str:
        """Why nothing is advanced of a run: its Rollout cannot be observed as it stands now, or its plan was read back
        and agrees with no policy. Empty if nothing speaks against it."""
        return self._unobserved.get(run.uid, "") or self.resolver.unchecked(run.uid)

    def find(self, run: str) -> LiveRun | None:
        """The live run of this id whose Rollout has been seen."""
        live = self.runs.get(uid_of(run))
        return live if live and live.run.id == run and live.view else None

    async def aborted(self, run: str) -> LiveRun | None:
        """The run of this id if it is the last attempt of its Rollout and was aborted."""
        view = self._aborted.get(uid_of(run))
        if view is None:
            return None
        found = run_of(self._cluster, view, await self._registry.attempt(self._cluster, view))
        plan = self.resolver.plan(self.resolver.closest(view), view, found) if found.id == run else None
        return LiveRun.first(found, plan, view) if plan else None

    async def override(self, live: LiveRun, policy: CanaryPolicy, command: str) -> LiveRun:
        """End the run and begin another attempt under its policy as changed by a command, by its id.

        Raises UnfitPolicyError.
        """
        async with self._changing:
            known = self.runs.get(live.run.uid)
            if known is None or known.run != live.run:
                raise UnfitPolicyError("the run has ended meanwhile")
            return await self._override(known, policy, command)

    async def _override(self, live: LiveRun, policy: CanaryPolicy, command: str) -> LiveRun:
        view, source = live.view, live.plan.source
        assert view is not None
        following = live.run.model_copy(update={"attempt": live.run.attempt + 1})
        # What does not fit is refused before anything is counted.
        self.resolver.override(view, policy, following, source, command)
        run = run_of(self._cluster, view, await self._registry.attempt(self._cluster, view, another=True))
        plan = self.resolver.override(view, policy, run, source, command)
        await self._end(live, "superseded", live.last_published.resource_version, view)
        fresh = LiveRun.first(run, plan, view)
        await self._observe(view, fresh, await self._registry.now(), None)
        return fresh

    async def _seen(self, view: RolloutView, seen: Millis, consistent: Millis | None) -> LiveRun | None:
        """As `_see`; a Rollout that cannot be observed keeps its run as it stood, and holds up no other."""
        with self._complaints.about("rollout", view.key) as outcome:
            live = await self._see(view, seen, consistent)
        if outcome.problem:
            problem = f"its Rollout cannot be observed: {outcome.problem}"
            if self._unobserved.get(view.uid) != problem:
                self.resolver.notices.announce(Notice(view.namespace, view.name, view.uid, problem))
            self._unobserved[view.uid] = problem
            return None
        self._unobserved.pop(view.uid, None)
        return live

    async def _see(self, view: RolloutView, seen: Millis, consistent: Millis | None) -> LiveRun | None:
        """The run if nothing of it has changed, and its weight is known to have been constant until `consistent`."""
        if view.aborted and view.releasing:
            self._aborted[view.uid] = view
        else:
            self._aborted.pop(view.uid, None)
        live = self.runs.get(view.uid)
        if live and live.view and version_of(view) < version_of(live.view):
            return None
        if live:
            still = await self._still(live, view)
            outcome = outcome_of(live.run, view) or (None if still else "superseded")
            if outcome:
                await self._end(live, outcome, view.resource_version, view)
                live = None
            elif live.view is None or self.resolver.unchecked(view.uid):
                live = self._checked(live, view)
        if view.releasing and (live or not view.aborted):
            return await self._observe(view, live, seen, consistent)
        return None

    def _checked(self, live: LiveRun, view: RolloutView) -> LiveRun:
        plan = self.resolver.checked(live.plan, view, live.run)
        return live if plan is live.plan else LiveRun.first(live.run, plan)

    async def _still(self, live: LiveRun, view: RolloutView) -> bool:
        """Whether it is the same attempt as before, which only the registry knows for sure."""
        # Unless edited, steps lead back only by an abort and a retry; both may have been missed.
        back = view.step < live.last_published.step and not view.aborted
        if live.view and not back and _turns(live.view) == _turns(view):
            return True
        attempt = await self._registry.attempt(self._cluster, view, another=back)
        return attempt.number == live.run.attempt

    async def _observe(
        self, view: RolloutView, live: LiveRun | None, seen: Millis, consistent: Millis | None
    ) -> LiveRun | None:
        if not self.pods.knows(view.namespace):
            # Without its pods a run would be told as one that has lost them, and its stage begin again.
            if live:
                self.runs[view.uid] = replace(live, view=view)
            return None
        live = live or await self._begin(view, seen)
        if live is None:
            return None
        live, constant = await self._observer.observe(view, live, self.pods.of(view, live.run), seen, consistent)
        self.runs[view.uid] = live
        return live if constant else None

    async def _begin(self, view: RolloutView, now: Millis) -> LiveRun | None:
        policies = self.resolver.closest(view)
        basis = (view.current_hash, view.stable_hash, view.steps, view.ping_pong, *map(id, policies))
        if self._unfit.get(view.uid, ())[1:] == basis or self._crowded(view, policies, now):
            return None
        attempt = await self._registry.attempt(self._cluster, view)
        if attempt.hash != view.current_hash:
            return None
        run = run_of(self._cluster, view, attempt)
        plan = self.resolver.plan(policies, view, run)
        if plan is None:
            # The policies are kept, so that no other one gets the id of one that is gone.
            self._unfit[view.uid] = (policies, *basis)
            return None
        self._unfit.pop(view.uid, None)
        self._admission.begins(view.namespace, plan, now)
        logger.info("run begins: %s by policy %s", view.key, plan.origin, extra={"fields": {"run": run.id}})
        return LiveRun.first(run, plan)

    def _crowded(self, view: RolloutView, policies: Sequence[CanaryPolicy], now: Millis) -> bool:
        """Whether its namespace has as many runs, or as large ones, as may be, or began so many just now that the next
        list will do."""
        if not policies:
            return False
        if self._admission.waits(view.namespace):
            return True
        if what := self._admission.full(view.namespace, now):
            text = f"{view.key} is not judged: namespace {view.namespace} has {what}"
            self.resolver.notices.say(view, policies, text)
            return True
        self._admission.begin(view.namespace)
        return False

    async def _end(self, live: LiveRun, outcome: Outcome, version: str, view: RolloutView | None) -> None:
        with logs.about(run=live.run.id):
            await self._registry.retire(ended(live.last_published, outcome, version, view))
            logger.info("run ends: %s %s", live.run.rollout, outcome)
        self.runs.pop(live.run.uid, None)
        self.resolver.forget(live.run.uid)
        self.resolver.notices.forget(live.run.uid)


def _turns(view: RolloutView) -> tuple[object, ...]:
    """What of a Rollout may show another attempt."""
    return view.current_hash, view.step_hash, view.aborted, view.retried
