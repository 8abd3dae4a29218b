"""Collecting one snapshot of a run that is due."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from serinus_contracts import AnalysisPlan, Measurement, MetricsCollected, PlanMetric, Scalar
from serinus_contracts.base import Millis
from serinus_counting.windows import RunState, next_due, snapshot_end
from serinus_runtime import logs, traces

from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.offload import summed_up
from serinus_collecting.ports import Commit, Lease, Registry

logger = logging.getLogger(__name__)

# While there is nothing new to collect (the weight is not known, the stream is full), ask again after this.
RETRY_MS = 1000
MAX_BACKOFF = 8
# Of the queries of a snapshot together: an analyzer reads and compares them in milliseconds.
MAX_VALUES = 2_000
# What the loop does for each beside what its queries take, measured.
SNAPSHOT_MS = 2.0


@dataclass(frozen=True)
class SnapshotCollector:
    """Collects snapshots. `places`: how many of one namespace may be under way."""

    registry: Registry
    queries: MetricQueries
    allowance_ms: int
    places: int = 1

    async def collect(self, lease: Lease) -> Commit | None:
        """One snapshot of the leased run; None if there was nothing to collect."""
        with logs.about(run=lease.run):
            await self.queries.offloader.turns.next(lease.namespace)
            self.queries.offloader.turns.charge(lease.namespace, SNAPSHOT_MS)
            loaded = await self.registry.load(lease.run)
            if loaded is None:
                logger.info("run has left the registry")
                return "gone"
            state, plan = loaded
            end = snapshot_end(state, lease.now, plan, self.allowance_ms)
            if end is None:
                await self.registry.postpone(lease, lease.now + _retry_ms(plan))
                return None
            self.queries.telemetry.delay.observe(max(0, lease.now - lease.due) / 1000)
            with traces.span("snapshot", run=lease.run, rollout=state.observed.run.rollout), summed_up() as sums:
                result = await self._collected(lease, state, plan, end, sums)
            self.queries.telemetry.snapshots.labels(result).inc()
            if result in ("moved", "weight", "full"):
                logger.info("snapshot not committed: %s", result)
                await self.registry.postpone(lease, lease.now + _retry_ms(plan))
            return result

    async def _collected(
        self, lease: Lease, state: RunState, plan: AnalysisPlan, end: Millis, sums: Sequence[float]
    ) -> Commit:
        began = time.monotonic()
        measured, history = await asyncio.gather(
            self.queries.measured(state, plan, end),
            self.queries.history(state, plan),
        )
        await self.queries.offloader.turns.next(lease.namespace)
        scrapes = [one.scrape_ms for one in measured if one.scrape_ms]
        scrape_ms = max(scrapes) if scrapes else state.scrape_ms
        metrics = _bounded(plan.metrics, [one.measurement for one in measured])
        observed = state.observed
        snapshot = MetricsCollected(
            run=observed.run,
            follows=state.follows,
            end=end,
            step=observed.step,
            stage=observed.stage,
            stage_started=observed.stage_started,
            weight=observed.set_weight,
            split=observed.actual_weight if observed.split is None else observed.split,
            split_changed=_split_changed(state, plan, metrics),
            routes=observed.routes,
            plan=observed.plan,
            pods=observed.pods,
            metrics=metrics,
            history=history,
        )
        same = state.ends_stage == observed.stage_started
        counted = {name: one.window.end for name, one in metrics.items() if one.window}
        progress = {
            metric.name: one.progress for metric, one in zip(plan.metrics, measured, strict=True) if one.progress
        }
        failed = all(one.status == "error" for one in metrics.values())
        after = replace(
            state,
            follows=end,
            ends_stage=observed.stage_started,
            ends={**(state.ends if same else {}), **counted},
            progress={**(state.progress if same else {}), **progress},
            scrape_ms=scrape_ms,
            failures=state.failures + 1 if failed else 0,
        )
        due = next_due(lease.run, lease.now, plan, scrape_ms, slower=min(2**after.failures, MAX_BACKOFF))
        # A slow snapshot takes little time of the loop, but a place of those that its namespace has.
        held_ms = 1000 * (time.monotonic() - began) / self.places
        cost_ms = max(held_ms, sum(sums) + SNAPSHOT_MS)
        return await self.registry.commit(lease, state, after, snapshot, due, cost_ms)


def _bounded(metrics: Sequence[PlanMetric], measured: Sequence[Measurement]) -> dict[str, Measurement]:
    """The measurements by metric; a query's that comes to too many values, with those that are smaller, becomes an
    error."""
    total, found = 0, dict(zip([metric.name for metric in metrics], measured, strict=True))
    queried = [(name, one) for name, one in found.items() if isinstance(one, Scalar)]
    for name, one in sorted(queried, key=lambda item: len(item[1].values)):
        total += len(one.values)
        if total > MAX_VALUES:
            detail = f"the queries of a snapshot give more than {MAX_VALUES:,} values: aggregate them"
            found[name] = Scalar(status="error", detail=detail, query_digest=one.query_digest)
    return found


def _split_changed(state: RunState, plan: AnalysisPlan, metrics: Mapping[str, Measurement]) -> bool:
    """Whether a window reaches back to before the requests were split as they are now, or had not settled so."""
    since = state.observed.split_since
    settled = 0 if since is None else since + math.ceil(max(plan.settle * 1000, 2 * (state.scrape_ms or 0)))
    return any(one.window is not None and one.window.begin < settled for one in metrics.values())


def _retry_ms(plan: AnalysisPlan) -> int:
    return min(RETRY_MS, round(plan.interval * 500))
