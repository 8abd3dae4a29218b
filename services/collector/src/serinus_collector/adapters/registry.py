"""The registry of live runs and the due queue in Redis."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from serinus_collecting.ports import Commit, Lease
from serinus_contracts import AnalysisPlan, Keys, MetricsCollected, RolloutObserved, seal, to_entry
from serinus_contracts.base import Millis
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_counting.progress import packed, unpacked
from serinus_counting.windows import RunState
from serinus_runtime import scripts, traces
from serinus_runtime.clock import Clock
from serinus_runtime.due import run_of
from serinus_runtime.errors import PermanentError
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client

SOURCE = "/serinus/collector"
MAX_NAMESPACES_KEPT = 50_000
# What an analyzer takes in about a millisecond, measured on snapshots from 3 kB to 3 MB.
JUDGED_BYTES_A_MS = 5_000


class RedisRegistry:
    """Due runs, their state and the snapshots of them, for all collectors of one deployment."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        *,
        clock: Clock,
        lease_ms: int,
        allowance_ms: int,
        max_entries: int,
        share: float = 1.0,
    ) -> None:
        self._share = share
        self._namespaces: OrderedDict[str, str] = OrderedDict()
        self._client, self._keys, self._clock = client, keys, clock
        self._lease_ms, self._allowance_ms, self._max_entries = lease_ms, allowance_ms, max_entries
        self._plans = Plans(client, keys)
        self._lease_script = scripts.load(client, __package__, "lease")
        self._commit_script = scripts.load(client, __package__, "commit")

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        now, following, due = await self._lease_script(keys=[self._keys.due], args=[limit, self._lease_ms])
        runs: dict[str, float] = {}
        for member, score in zip(due[::2], due[1::2], strict=True):
            run = run_of(member)
            if run is None:
                await self._client.zrem(self._keys.due, member)
            else:
                runs[run] = float(score)
        await self._learn_namespaces(runs)
        leases = [Lease(run, int(score), int(now), self._namespaces.get(run, "")) for run, score in runs.items()]
        wait = 1.0 if float(following) < 0 else max(0.0, (float(following) - now) / 1000)
        return leases, wait

    async def _learn_namespaces(self, runs: Iterable[str]) -> None:
        unknown = [run for run in runs if run not in self._namespaces]
        if not unknown:
            return
        async with self._client.pipeline(transaction=False) as pipe:
            for run in unknown:
                pipe.hmget(self._keys.run(run), ["namespace"])
            found: list[Any] = await pipe.execute(raise_on_error=False)
        for run, answer in zip(unknown, found, strict=True):
            # One that cannot be read is complained of when it is loaded.
            if isinstance(answer, list) and answer[0]:
                self._namespaces[run] = answer[0].decode(errors="replace")
        while len(self._namespaces) > MAX_NAMESPACES_KEPT:
            self._namespaces.popitem(last=False)

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan] | None:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hmget(self._keys.run(run), ("observed", "weight_constant_until", "outcome"))
            pipe.hmget(self._keys.window(run), ("follows", "windows"))
            (observed, constant, outcome), (follows, windows) = await pipe.execute()
        if observed is None or outcome is not None:
            await self._client.zrem(self._keys.due, run)
            return None
        try:
            known = RolloutObserved.model_validate_json(observed)
            kept = json.loads(windows) if windows else {}
            kept["progress"] = {name: unpacked(one) for name, one in kept.get("progress", {}).items()}
        except (ValidationError, ValueError) as error:
            raise PermanentError(f"the registry's entry of run {run} cannot be read: {error}") from error
        plan = await self._plans.get(known.plan)
        if plan is None:
            raise PermanentError(f"plan {known.plan} of run {run} is not in Redis")
        return RunState(observed=known, weight_constant_until=int(constant), follows=int(follows or 0), **kept), plan

    async def commit(
        self,
        lease: Lease,
        before: RunState,
        after: RunState,
        snapshot: MetricsCollected,
        due: Millis,
        cost_ms: float = 0.0,
    ) -> Commit:
        entry = to_entry(seal(snapshot, source=SOURCE, now=self._clock(), traceparent=traces.current()))
        windows = {
            "ends_stage": after.ends_stage,
            "ends": dict(after.ends),
            "scrape_ms": after.scrape_ms,
            "failures": after.failures,
            "progress": {name: packed(one) for name, one in after.progress.items()},
        }
        state: list[str | int] = ["follows", after.follows, "windows", json.dumps(windows, separators=(",", ":"))]
        judging_ms = len(entry["ce"]) / JUDGED_BYTES_A_MS
        result: bytes = await self._commit_script(
            keys=[
                self._keys.run(lease.run),
                self._keys.due,
                self._keys.stream("snapshots"),
                self._keys.window(lease.run),
                self._keys.pace,
            ],
            args=[
                lease.run,
                before.follows,
                before.observed.stage_started,
                snapshot.end + self._allowance_ms,
                due,
                self._max_entries,
                ANALYZER_GROUP,
                snapshot.run.namespace,
                round((cost_ms + judging_ms) / self._share),
                len(state),
                *state,
                *(part for pair in entry.items() for part in pair),
            ],
        )
        return result.decode()  # type: ignore[return-value] # the script's answers are those of Commit

    async def postpone(self, lease: Lease, due: Millis) -> None:
        await self.give_back([lease], due)

    async def give_back(self, leases: Sequence[Lease], due: Millis) -> None:
        await self._client.zadd(self._keys.due, dict.fromkeys([lease.run for lease in leases], due), xx=True)
