"""All runs of the cluster as they stand: keeps the registry true while Rollouts and pods change."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from serinus_contracts import AnalysisPlan, Pod, RolloutObserved, Run
from serinus_contracts.access import OPEN, ProviderAccess
from serinus_contracts.base import Millis
from serinus_contracts.events import Outcome
from serinus_contracts.policy import CanaryPolicy
from serinus_rollouts.policies import choose, is_of, matches, misfit
from serinus_rollouts.resolve import UnfitPolicyError, resolve, warnings
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import run_of, version_of
from serinus_rollouts.stages import stages
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import concerns_all
from serinus_runtime.fair_slots import in_turns

from serinus_controller.domain.announce import Notice
from serinus_controller.domain.observe import ended, in_force, observe, outcome_of
from serinus_controller.use_cases.pod_index import PodIndex
from serinus_controller.use_cases.ports import Registry
from serinus_controller.use_cases.rollout_updates import RolloutUpdates

logger = logging.getLogger(__name__)
TOGETHER = 50
# Of one namespace between two lists: each takes the leader some milliseconds, in which it sees nothing of the others.
MAX_BEGUN = 500
# Policies on which the same is told.
MAX_TOLD = 5


@dataclass(frozen=True)
class LiveRun:
    """A run under way. `view` is None until its Rollout has been seen since this controller leads.

    `basis`: the versions of the objects that `told` rests on, () if they are not known.
    """

    run: Run
    plan: AnalysisPlan
    told: RolloutObserved
    view: RolloutView | None = None
    basis: tuple[object, ...] = ()


class RunTracker:
    """The runs of one cluster, by their Rollout's uid. `policies` gives those in force; no `namespaces` are all.

    `notify` is given what a Rollout's team should know, once. `max_runs`: how many of a namespace are judged at once.
    `source_of` says where a policy was read; `refused` is called for each plan that was read back and is not gone on
    with.
    """

    def __init__(
        self,
        registry: Registry,
        cluster: str,
        policies: Callable[[], Sequence[CanaryPolicy]],
        namespaces: Collection[str] = (),
        complaints: Complaints | None = None,
        notify: Callable[[Notice], None] = lambda notice: None,
        access: ProviderAccess = OPEN,
        max_runs: int = 1_000,
        source_of: Callable[[CanaryPolicy], str] = lambda policy: "",
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._max_runs = max_runs
        self._begun: Counter[str] = Counter()
        self._in_progress: Counter[str] = Counter()
        self._unfit: dict[str, tuple[object, ...]] = {}
        self._notify, self._access, self._source_of, self._refused = notify, access, source_of, refused
        self._registry, self._cluster, self._policies, self._namespaces = registry, cluster, policies, namespaces
        self.runs: dict[str, LiveRun] = {}
        self.updates = RolloutUpdates()
        self.pods = PodIndex()
        self._complained: dict[str, str] = {}
        self._complaints = complaints or Complaints()
        self._unobserved: dict[str, str] = {}
        self._unchecked: dict[str, str] = {}
        self._aborted: dict[str, RolloutView] = {}
        # An observation that an override overtakes would else put the run back that it has ended.
        self._changing = asyncio.Lock()

    async def restore(self) -> None:
        """Take up the runs that a leader before us knew; those of namespaces that are watched no longer end."""
        remembered = dict(self.runs)
        for told in await self._registry.live(self._cluster):
            if self._namespaces and told.run.namespace not in self._namespaces:
                logger.warning("run %s ends: its namespace is not watched any more", told.run.id)
                with self._complaints.about("run", told.run.id):
                    await self._registry.retire(ended(told, "deleted", told.resource_version, None))
                continue
            known = remembered.get(told.run.uid)
            if known and known.run.id != told.run.id:
                # What Redis has is older than what is remembered.
                await self._registry.retire(ended(told, "superseded", told.resource_version, None))
                continue
            plan = None
            with self._complaints.about("run", told.run.id):
                plan = await self._registry.plan(told.plan)
            if plan is None:
                logger.error("run %s has lost its plan: it is resolved anew", told.run.id)
                self._refused()
                continue
            self.runs.setdefault(told.run.uid, LiveRun(told.run, plan, told))

    async def know_again(self, live: LiveRun) -> None:
        """Take up a run that the registry has lost, and make it known as it was told last."""
        if live.view:
            counted = await self._registry.attempt(self._cluster, live.view)
            for _ in range(counted.number, live.run.attempt):
                await self._registry.attempt(self._cluster, live.view, another=True)
        if live.told.resource_version:
            await self._registry.observe(live.told, live.plan, None, publish=True)
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
        self._begun.clear()
        self._in_progress = Counter(live.run.namespace for live in self.runs.values())
        views = in_turns(views, lambda view: view.namespace)
        for first in range(0, len(views), TOGETHER):
            async with self._changing:
                found = [await self._seen(view, seen, asked) for view in views[first : first + TOGETHER]]
                await self._constant([live for live in found if live], asked)
        present = {view.uid for view in views} | set(unread)
        async with self._changing:
            for uid, live in list(self.runs.items()):
                if uid not in present and namespace in ("", live.run.namespace):
                    with self._complaints.about("run", live.run.id):
                        await self._end(live, "deleted", live.told.resource_version, None)
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
        self._complained.pop(view.uid, None)
        self._unfit.pop(view.uid, None)
        async with self._changing:
            live = self.runs.get(view.uid)
            if live:
                with self._complaints.about("run", live.run.id):
                    await self._end(live, "deleted", view.resource_version, None)

    def doubt(self, run: Run) -> str:
        """Why nothing is advanced of a run: its Rollout cannot be observed as it stands now, or its plan was read back
        and agrees with no policy. Empty if nothing speaks against it."""
        return self._unobserved.get(run.uid, "") or self._unchecked.get(run.uid, "")

    def find(self, run: str) -> LiveRun | None:
        """The live run of this id whose Rollout has been seen."""
        uid = run.split("/")[-3] if run.count("/") >= 3 else ""
        live = self.runs.get(uid)
        return live if live and live.run.id == run and live.view else None

    async def aborted(self, run: str) -> LiveRun | None:
        """The run of this id if it is the last attempt of its Rollout and was aborted."""
        view = self._aborted.get(run.split("/")[-3] if run.count("/") >= 3 else "")
        if view is None:
            return None
        found = run_of(self._cluster, view, await self._registry.attempt(self._cluster, view))
        live = self._resolved(choose(self._policies(), view), view, found) if found.id == run else None
        return replace(live, view=view) if live else None

    def policy_of(self, live: LiveRun) -> CanaryPolicy | None:
        """The policy under which a run began, as it stands now; None where it is gone or not for the Rollout any more.

        Another namespace may have a policy of the same name, which is not for this Rollout.
        """
        named = [one for one in self._policies() if is_of(live.plan, one)]
        ours = [one for one in named if live.view and matches(one, live.view)]
        return ours[0] if len(ours) == 1 else None

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
        assert live.view is not None
        following = live.run.model_copy(update={"attempt": live.run.attempt + 1})
        resolve(policy, following, stages(live.view.steps), live.view.ping_pong, self._access)
        attempt = await self._registry.attempt(self._cluster, live.view, another=True)
        run = run_of(self._cluster, live.view, attempt)
        found, services = stages(live.view.steps), live.view.ping_pong
        plan = resolve(policy, run, found, services, self._access, source=live.plan.source, override=command)
        await self._end(live, "superseded", live.told.resource_version, live.view)
        fresh = LiveRun(run, plan, _nothing_told(run, plan), live.view)
        await self._observe(live.view, fresh, await self._registry.now(), None)
        return fresh

    async def _constant(self, unchanged: Sequence[LiveRun], until: Millis) -> None:
        try:
            await self._say_constant(unchanged, until)
        except Exception as error:
            if concerns_all(error):
                raise
            for live in unchanged:
                with self._complaints.about("run", live.run.id):
                    await self._say_constant([live], until)

    async def _say_constant(self, unchanged: Sequence[LiveRun], until: Millis) -> None:
        unknown = await self._registry.constant([live.told for live in unchanged], until)
        for live in unchanged:
            if live.run.uid in unknown:
                await self._registry.observe(live.told, live.plan, until, publish=False)

    async def _seen(self, view: RolloutView, seen: Millis, consistent: Millis | None) -> LiveRun | None:
        """As `_see`; a Rollout that cannot be observed keeps its run as it stood, and holds up no other."""
        with self._complaints.about("rollout", view.key) as outcome:
            live = await self._see(view, seen, consistent)
        if outcome.problem:
            problem = f"its Rollout cannot be observed: {outcome.problem}"
            if self._unobserved.get(view.uid) != problem:
                self._notify(Notice(view.namespace, view.name, view.uid, problem))
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
            elif live.view is None or view.uid in self._unchecked:
                live = self._checked(live, view)
        if view.releasing and (live or not view.aborted):
            return await self._observe(view, live, seen, consistent)
        return None

    def _checked(self, live: LiveRun, view: RolloutView) -> LiveRun:
        """The run whose plan was read back, planned anew if that does not agree with the policies; where none of them
        can be applied it goes on being judged, and nothing is advanced before one can."""
        policies = choose(self._policies(), view)
        why = misfit(live.plan, policies)
        if not why:
            self._unchecked.pop(view.uid, None)
            return live
        anew = self._resolved(policies, view, live.run)
        if view.uid not in self._unchecked:
            self._refused()
        if anew:
            self._unchecked.pop(view.uid, None)
            text = f"its plan is not gone on with: {why}; planned anew by policy {anew.plan.origin}"
        else:
            self._unchecked[view.uid] = f"its plan is not gone on with: {why}"
            text = f"{self._unchecked[view.uid]}; nothing is advanced until one can be applied"
        self._say(view, policies, f"{view.key}: {text}")
        return anew or live

    async def _still(self, live: LiveRun, view: RolloutView) -> bool:
        """Whether it is the same attempt as before, which only the registry knows for sure."""
        # Unless edited, steps lead back only by an abort and a retry; both may have been missed.
        back = view.step < live.told.step and not view.aborted
        if live.view and not back and _turns(live.view) == _turns(view):
            return True
        attempt = await self._registry.attempt(self._cluster, view, another=back)
        return attempt.number == live.run.attempt

    async def _observe(
        self, view: RolloutView, live: LiveRun | None, seen: Millis, consistent: Millis | None
    ) -> LiveRun | None:
        if not self.pods.knows(view.namespace):
            # Without its pods a run would be told as one that has lost them, and its stage begin anew.
            if live:
                self.runs[view.uid] = replace(live, view=view)
            return None
        live = live or await self._begin(view)
        if live is None:
            return None
        found_pods = self.pods.of(view, live.run)
        basis = version_of(view), *((arm, pod.name, pod.version) for arm, pod in found_pods)
        if live.basis == basis:
            return live if live.told.steady and consistent is not None else None
        pods = [
            Pod(name=pod.name, arm=arm, started=pod.started, ready=pod.ready, restarts=pod.restarts)
            for arm, pod in found_pods
        ]
        images = {arm: pod.images for arm, pod in found_pods}
        version = str(max([version_of(view), *(pod.version for _, pod in found_pods)]))
        before = live.told if live.told.resource_version else None
        view = in_force(view, live.plan, before)
        found = observe(
            view, live.run, live.plan, pods, version, before, images=images, seen=seen, consistent=consistent
        )
        changed = before is None or _content(before) != _content(found.event)
        if changed:
            with logs.about(run=live.run.id):
                await self._registry.observe(found.event, live.plan, found.constant_until, publish=True)
            live = replace(live, told=found.event)
        self.runs[view.uid] = live = replace(live, view=view, basis=basis)
        return None if changed or found.constant_until is None else live

    async def _begin(self, view: RolloutView) -> LiveRun | None:
        policies = choose(self._policies(), view)
        basis = (view.current_hash, view.stable_hash, view.steps, view.ping_pong, *map(id, policies))
        if self._unfit.get(view.uid, ())[1:] == basis or self._crowded(view, policies):
            return None
        attempt = await self._registry.attempt(self._cluster, view)
        if attempt.hash != view.current_hash:
            return None
        live = self._resolved(policies, view, run_of(self._cluster, view, attempt))
        if live:
            self._unfit.pop(view.uid, None)
            logger.info(
                "run begins: %s by policy %s", view.key, live.plan.origin, extra={"fields": {"run": live.run.id}}
            )
        else:
            # The policies are kept, so that no other one gets the id of one that is gone.
            self._unfit[view.uid] = (policies, *basis)
        return live

    def _crowded(self, view: RolloutView, policies: Sequence[CanaryPolicy]) -> bool:
        """Whether its namespace has as many runs as may be, or began so many just now that the next list will do."""
        if not policies:
            return False
        if self._begun[view.namespace] >= MAX_BEGUN:
            return True
        # As of the last list: to count them anew for each of thousands that may not begin would hold the leader.
        if self._in_progress[view.namespace] + self._begun[view.namespace] >= self._max_runs:
            text = (
                f"{view.key} is not judged: namespace {view.namespace} has {self._max_runs:,} releases under way, "
                "as many as are judged at once (SERINUS_MAX_RUNS)"
            )
            self._say(view, policies, text)
            return True
        self._begun[view.namespace] += 1
        return False

    def _resolved(self, policies: Sequence[CanaryPolicy], view: RolloutView, run: Run) -> LiveRun | None:
        """The run with its plan; None, and a word in the log, if there is no policy that fits."""
        if not policies:
            return None
        if len(policies) > 1:
            names = ", ".join(policy.metadata.name for policy in policies)
            self._say(view, policies, f"{view.key} is matched by several policies ({names}): none is applied")
            return None
        found = stages(view.steps)
        try:
            source = self._source_of(policies[0])
            plan = resolve(policies[0], run, found, view.ping_pong, self._access, source=source)
        except UnfitPolicyError as error:
            self._say(view, policies, str(error))
            return None
        for text in warnings(policies[0], found, view):
            self._say(view, policies, text)
        return LiveRun(run, plan, _nothing_told(run, plan))

    def unreadable(self, namespace: str, name: str, uid: str, problem: str) -> None:
        """A Rollout that is there and cannot be read."""
        self._tell(Notice(namespace, name, uid, f"{namespace}/{name} is not judged: {problem}"))

    def _say(self, view: RolloutView, policies: Sequence[CanaryPolicy], text: str) -> None:
        names = tuple(policy.metadata.name for policy in policies[:MAX_TOLD])
        self._tell(Notice(view.namespace, view.name, view.uid, text, names))

    def _tell(self, notice: Notice) -> None:
        if self._complained.get(notice.uid) != notice.text:
            self._complained[notice.uid] = notice.text
            logger.warning("%s", notice.text)
            self._notify(notice)

    async def _end(self, live: LiveRun, outcome: Outcome, version: str, view: RolloutView | None) -> None:
        with logs.about(run=live.run.id):
            await self._registry.retire(ended(live.told, outcome, version, view))
            logger.info("run ends: %s %s", live.run.rollout, outcome)
        self.runs.pop(live.run.uid, None)
        self._unchecked.pop(live.run.uid, None)


def _nothing_told(run: Run, plan: AnalysisPlan) -> RolloutObserved:
    return RolloutObserved(
        run=run, resource_version="", phase="Progressing", step=0, steps=0, stage=-1, set_weight=0, actual_weight=0,
        steady=False, stage_started=0, plan=plan.digest,
    )  # fmt: skip


def _turns(view: RolloutView) -> tuple[object, ...]:
    """What of a Rollout may show another attempt."""
    return view.current_hash, view.step_hash, view.aborted, view.retried


def _content(event: RolloutObserved) -> RolloutObserved:
    return event.model_copy(update={"resource_version": ""})
