"""Makes known where runs stand, and since when nothing of them has changed."""

from collections.abc import Sequence
from dataclasses import replace

from serinus_contracts import Pod, RolloutObserved
from serinus_contracts.base import Arm, Millis
from serinus_rollouts.pods import PodView
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import version_of
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import concerns_all

from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.observe import in_force, observe
from serinus_controller.use_cases.ports import Registry


class RunObserver:
    """Writes to the registry what is seen of live runs."""

    def __init__(self, registry: Registry, complaints: Complaints) -> None:
        self._registry, self._complaints = registry, complaints

    async def observe(
        self,
        view: RolloutView,
        live: LiveRun,
        pods: Sequence[tuple[Arm, PodView]],
        seen: Millis,
        consistent: Millis | None,
    ) -> tuple[LiveRun, bool]:
        """The run as it stands by its Rollout and pods, which is told if anything of it has changed; and whether it has
        not, and its weight is known to have been constant until `consistent`.

        `seen`: when the view had been received. `consistent`: when the read that gave it was started, None if it need
        not show the newest state.
        """
        basis = version_of(view), *((arm, pod.name, pod.version) for arm, pod in pods)
        if live.basis == basis:
            return live, live.last_published.steady and consistent is not None
        before = live.last_published if live.last_published.resource_version else None
        view = in_force(view, live.plan, before)
        observation = observe(
            view,
            live.run,
            live.plan,
            [
                Pod(name=pod.name, arm=arm, started=pod.started, ready=pod.ready, restarts=pod.restarts)
                for arm, pod in pods
            ],
            str(max([version_of(view), *(pod.version for _, pod in pods)])),
            before,
            images={arm: pod.images for arm, pod in pods},
            seen=seen,
            consistent=consistent,
        )
        changed = before is None or _content(before) != _content(observation.event)
        if changed:
            with logs.about(run=live.run.id):
                await self._registry.observe(observation.event, live.plan, observation.constant_until, publish=True)
            live = replace(live, last_published=observation.event)
        live = replace(live, view=view, basis=basis)
        return live, not changed and observation.constant_until is not None

    async def constant(self, unchanged: Sequence[LiveRun], until: Millis) -> None:
        """Nothing of these runs has changed, and their weights are known to have held `until` then."""
        try:
            await self._say_constant(unchanged, until)
        except Exception as error:
            if concerns_all(error):
                raise
            for live in unchanged:
                with self._complaints.about("run", live.run.id):
                    await self._say_constant([live], until)

    async def _say_constant(self, unchanged: Sequence[LiveRun], until: Millis) -> None:
        unknown = await self._registry.constant([live.last_published for live in unchanged], until)
        for live in unchanged:
            if live.run.uid in unknown:
                await self._registry.observe(live.last_published, live.plan, until, publish=False)


def _content(event: RolloutObserved) -> RolloutObserved:
    return event.model_copy(update={"resource_version": ""})
