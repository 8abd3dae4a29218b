"""The registry of runs in Redis, as the controller keeps it."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from serinus_contracts import AnalysisPlan, Keys, RolloutObserved, seal, to_entry
from serinus_contracts.base import Millis
from serinus_contracts.report import Ended, Planned, Staged
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt
from serinus_runtime import scripts
from serinus_runtime.clock import Clock
from serinus_runtime.complaints import Complaints
from serinus_runtime.due import run_of
from serinus_runtime.plans import Plans
from serinus_runtime.redis import KEPT_SECONDS, STORY_SECONDS, Client
from serinus_runtime.redis_clock import RedisClock

from serinus_controller.adapters.calls import NamedScript

SOURCE = "/serinus/controller"


class RedisRegistry:
    """The runs of one cluster in Redis. `kept`: seconds that the story of an ended run stays."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        *,
        clock: Clock,
        max_entries: int,
        kept: float = STORY_SECONDS,
        complaints: Complaints | None = None,
    ) -> None:
        self._complaints = complaints or Complaints()
        self._client, self._keys, self._clock, self._max_entries = client, keys, clock, max_entries
        # A run's id is not given again while anything of the run is still there.
        self._kept, self._counted = round(kept), max(KEPT_SECONDS, round(kept))
        self._plans = Plans(client, keys)
        self._observe = NamedScript(client, "observe", scripts.JUDGING)
        self._constant = NamedScript(client, "constant", scripts.JUDGING)
        self._attempt = NamedScript(client, "attempt", scripts.JUDGING)
        self._retire = NamedScript(client, "retire", scripts.JUDGING)
        self.now = RedisClock(client, keys)

    async def attempt(self, cluster: str, view: RolloutView, *, another: bool = False) -> Attempt:
        """Count and keep the attempt that a view shows; `another` counts one more at the same template."""
        key = self._keys.attempt(cluster, view.uid)
        raw: Any = await self._client.get(key)
        known = Attempt.model_validate_json(raw) if raw else None
        attempt = known.following(view, another=another) if known else Attempt.first(view)
        kept = await self._attempt(
            attempt_key=key,
            read=raw or "",
            attempt=attempt.model_dump_json(),
            attempt_seconds=self._counted,
        )
        return Attempt.model_validate_json(kept)

    async def live(self, cluster: str) -> Sequence[RolloutObserved]:
        """What was published last of each run of the cluster that has not ended."""
        members: Any = await self._client.zrange(self._keys.due, 0, -1)
        ours = [run for member in members if (run := run_of(member)) and run.startswith(f"{cluster}/")]
        async with self._client.pipeline(transaction=False) as pipe:
            for run in ours:
                pipe.hget(self._keys.run(run), "observed")
            documents: list[Any] = await pipe.execute(raise_on_error=False)
        found = []
        for run, document in zip(ours, documents, strict=True):
            # Its Rollout is seen again, and then it is written again.
            with self._complaints.about("run", run):
                if isinstance(document, Exception):
                    raise document
                found += [RolloutObserved.model_validate_json(document)] if document else []
        return found

    async def paced(self) -> Mapping[str, float]:
        """Namespaces by how many seconds ahead of now their share of the time is used up."""
        now = await self.now()
        found: Any = await self._client.zrange(self._keys.pace, f"({now}", "+inf", byscore=True, withscores=True)
        return {namespace.decode(errors="replace"): (until - now) / 1000 for namespace, until in found}

    async def observe(
        self, event: RolloutObserved, plan: AnalysisPlan, constant_until: Millis | None, *, publish: bool
    ) -> None:
        """Write where a run stands, and publish it if `publish`; an older version than the last changes nothing."""
        run = event.run.id
        entry = to_entry(seal(event, source=SOURCE, now=self._clock())) if publish else {}
        # Runs that begin at the same moment are spread over the interval, so that their snapshots are too.
        offset = zlib.crc32(run.encode()) % max(1, round(plan.interval * 1000))
        planned = Planned(at=await self.now(), run=event.run, plan=plan).model_dump_json() if publish else ""
        await self._observe(
            entry,
            run_key=self._keys.run(run),
            due_key=self._keys.due,
            rollouts_key=self._keys.stream("rollouts"),
            plan_key=self._keys.plan(event.plan),
            story_key=self._keys.story(run),
            attempt_key=self._keys.attempt(event.run.cluster, event.run.uid),
            run=run,
            version=event.resource_version,
            observed=event.model_dump_json(),
            stage_started=event.stage_started,
            constant_until="" if constant_until is None else constant_until,
            due_in=offset,
            plan=plan.canonical,
            max_entries=self._max_entries,
            plan_seconds=KEPT_SECONDS,
            digest=event.plan,
            planned=planned,
            staged=_staged(event) if publish and event.steady and event.stage >= 0 else "",
            story_seconds=self._kept,
            attempt_seconds=self._counted,
            namespace=event.run.namespace,
        )

    async def constant(self, published: Sequence[RolloutObserved], until: Millis) -> Collection[str]:
        """Runs stand as was published last, `until` then (ms); gives the uids of those that have to be observed."""
        calls = [
            self._constant.call(
                run_key=self._keys.run(event.run.id),
                due_key=self._keys.due,
                plan_key=self._keys.plan(event.plan),
                attempt_key=self._keys.attempt(event.run.cluster, event.run.uid),
                run=event.run.id,
                version=event.resource_version,
                stage_started=event.stage_started,
                constant_until=until,
                plan_seconds=KEPT_SECONDS,
                attempt_seconds=self._counted,
            )
            for event in published
        ]
        known = await self._constant.run(calls) if calls else []
        return {event.run.uid for event, is_known in zip(published, known, strict=True) if not is_known}

    async def retire(self, event: RolloutObserved) -> None:
        """Publish that a run has ended, close its report, and let its keys expire."""
        run = event.run.id
        keys = self._keys
        now = await self.now()
        event = event.model_copy(update={"ended": now})
        entry = to_entry(seal(event, source=SOURCE, now=self._clock()))
        await self._retire(
            entry,
            run_key=keys.run(run),
            due_key=keys.due,
            rollouts_key=keys.stream("rollouts"),
            control_key=keys.control(run),
            evidence_key=keys.evidence(run),
            story_key=keys.story(run),
            ended_key=keys.ended,
            attempt_key=keys.attempt(event.run.cluster, event.run.uid),
            window_key=keys.window(run),
            run=run,
            outcome=str(event.outcome),
            observed=event.model_dump_json(),
            chapter=Ended(at=now, outcome=event.outcome or "deleted", trouble=event.trouble).model_dump_json(),
            name=f"{event.run.rollout} {run}",
            now=now,
            run_seconds=KEPT_SECONDS,
            story_seconds=self._kept,
            attempt_seconds=self._counted,
            max_entries=self._max_entries,
        )

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """The plan of this digest, None if it is not kept or is not what its digest says."""
        return await self._plans.get(digest)


def _staged(event: RolloutObserved) -> str:
    chapter = Staged(at=event.stage_started, stage=event.stage, weight=event.set_weight)
    return chapter.model_dump_json()
