"""What providers are asked for one snapshot: the counts of each metric, and at first stable's past."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from serinus_contracts import AnalysisPlan, History, PlanMetric, Queried, Scalar
from serinus_contracts.base import Millis
from serinus_contracts.plan import query_digest
from serinus_contracts.provider_namespaces import ProviderAccess, may_use, refusal
from serinus_counting import history as past
from serinus_counting.quality import blank
from serinus_counting.windows import RunState, far_reach_ms, span
from serinus_runtime.fair_slots import FairSlots

from serinus_collecting.answers import MetricCounts, count_each, count_one
from serinus_collecting.asking import Asked, Refusals, grouped, selector_of
from serinus_collecting.collect_periods import PeriodProvider, measure_by_period, other_api
from serinus_collecting.offload import Offloader, charge
from serinus_collecting.ports import Answer, Provider, ProviderError, TooMuchError, Unread
from serinus_collecting.telemetry import Telemetry

logger = logging.getLogger(__name__)

# What the loop does for each beside reading answers and counting, measured.
QUERY_MS = 1.0


@dataclass(frozen=True)
class MetricQueries:
    """Asks `providers` and `stores` of sums by period, with the `slots` of each, by the name that a plan uses.

    A query may take `query_timeout_seconds`, the wait for a slot counted in.
    """

    providers: Mapping[str, Provider]
    slots: Mapping[str, FairSlots]
    telemetry: Telemetry
    query_timeout_seconds: float
    access: ProviderAccess = field(default_factory=dict)
    stores: Mapping[str, PeriodProvider] = field(default_factory=dict)
    offloader: Offloader = field(default_factory=Offloader)
    refusals: Refusals = field(default_factory=Refusals)

    async def measured(self, state: RunState, plan: AnalysisPlan, end: Millis) -> Sequence[MetricCounts]:
        """What came of each metric of the plan, in its order."""
        store, namespace = self.stores.get(plan.provider), state.observed.run.namespace
        speaks = store.api if store else "prometheus"
        if plan.api != speaks and plan.provider in (*self.providers, *self.stores):
            return [MetricCounts(blank(metric, "error", other_api(plan, speaks))) for metric in plan.metrics]
        if store is None:
            return await self._of_series(state, plan, end)
        if not may_use(self.access, plan.provider, namespace):
            said = refusal(plan.provider, namespace)
            return [MetricCounts(blank(metric, "error", said)) for metric in plan.metrics]
        asking = partial(self._asking, plan.provider, namespace)
        return [MetricCounts(one) for one in await measure_by_period(store, asking, state, plan, end)]

    async def _of_series(self, state: RunState, plan: AnalysisPlan, end: Millis) -> Sequence[MetricCounts]:
        """As `measured`, of a provider that has series."""
        found, asked, queried = dict[str, MetricCounts](), list[Asked](), list[PlanMetric]()
        refused = self._refused(plan, state.observed.run.namespace)
        for metric in plan.metrics:
            window = span(state, plan, metric, end)
            if window is None and not isinstance(metric.source, Queried):
                found[metric.name] = MetricCounts(blank(metric, "settling"))
            elif refused:
                found[metric.name] = MetricCounts(blank(metric, "error", refused))
            elif isinstance(metric.source, Queried):
                queried.append(metric)
            else:
                assert window is not None
                asked.append(Asked.of(state, metric, window))
        # As long as two queries in a row may take, however often is asked: the lease ends then.
        until = asyncio.get_running_loop().time() + 2 * self.query_timeout_seconds
        answered = await asyncio.gather(
            *(self._ask(state, plan, metric, end) for metric in queried),
            *(self._measure_group(state, plan, group, until) for group in grouped(plan, asked)),
        )
        for counts in answered:
            found |= counts
        return [found[metric.name] for metric in plan.metrics]

    def _refused(self, plan: AnalysisPlan, namespace: str) -> str:
        """Why the plan's provider is not asked, empty if it is."""
        if plan.provider not in self.providers:
            known = ", ".join([*self.providers, *self.stores]) or "none"
            return f"provider {plan.provider!r} is not configured, known: {known}"
        return "" if may_use(self.access, plan.provider, namespace) else refusal(plan.provider, namespace)

    async def _measure_group(
        self, state: RunState, plan: AnalysisPlan, group: Sequence[Asked], until: float
    ) -> dict[str, MetricCounts]:
        """One query for all, and what it does not answer each by itself: so one bad metric costs no other."""
        await self.offloader.turns.next(state.observed.run.namespace)
        counts: Sequence[MetricCounts | Millis | None] = [None] * len(group)
        query = plan.provider, plan.digest, tuple([one.metric.name for one in group])
        if len(group) > 1 and query not in self.refusals:
            sent: float | None = None
            try:
                async with self._asking(plan.provider, state.observed.run.namespace, until, len(group)):
                    sent = time.monotonic()
                    counts = await self._samples(state, plan, group)
            except ProviderError as error:
                if sent is None:  # each by itself would only wait again
                    return {one.metric.name: MetricCounts(blank(one.metric, "error", str(error))) for one in group}
                logger.info("%d metrics are asked for one by one: %s", len(group), error)
                if isinstance(error, TooMuchError) or time.monotonic() - sent > self.query_timeout_seconds / 2:
                    self.refusals.add(query)
        singly = [self._measure(state, plan, one, known, until) for one, known in zip(group, counts, strict=True)]
        measured = await asyncio.gather(*singly)
        return {one.metric.name: each for one, each in zip(group, measured, strict=True)}

    async def _samples(
        self, state: RunState, plan: AnalysisPlan, group: Sequence[Asked]
    ) -> Sequence[MetricCounts | Millis]:
        selector, end = selector_of(plan, group), group[0].window.end
        answer = await self.providers[plan.provider].samples(selector, end, max(one.reach_ms for one in group))
        work = partial(count_each, answer, state, plan, group)
        return await self.offloader.run(state.observed.run.namespace, len(answer.body), work)

    async def _measure(
        self, state: RunState, plan: AnalysisPlan, asked: Asked, known: MetricCounts | Millis | None, until: float
    ) -> MetricCounts:
        """What comes of one metric, where it is not known yet or samples of before are wanted, since when."""
        namespace, provider = state.observed.run.namespace, self.providers[plan.provider]
        try:
            while not isinstance(known, MetricCounts):
                last = known is not None
                if known is not None:
                    # It reaches further back, where a series' base lies behind a gap.
                    asked = asked._replace(reach_ms=far_reach_ms(asked.window, known))
                async with self._asking(plan.provider, namespace, until):
                    answer = await provider.samples(asked.selector, asked.window.end, asked.reach_ms)
                    work = partial(count_one, answer, state, plan, asked, last)
                    known = await self.offloader.run(namespace, len(answer.body), work)
        except ProviderError as error:
            return MetricCounts(blank(asked.metric, "error", str(error)))
        return known

    async def history(self, state: RunState, plan: AnalysisPlan) -> dict[str, History]:
        """Stable's past by metric, for the first snapshot of a run; what cannot be had is left out."""
        provider = self.providers.get(plan.provider)
        allowed = may_use(self.access, plan.provider, state.observed.run.namespace)
        if state.follows or provider is None or not allowed:
            return {}
        end = past.last_edge(state.observed.stage_started)
        found = await asyncio.gather(*(self._past(provider, state, plan, metric, end) for metric in plan.metrics))
        return {metric.name: one for metric, one in zip(plan.metrics, found, strict=True) if one}

    async def _past(
        self, provider: Provider, state: RunState, plan: AnalysisPlan, metric: PlanMetric, end: Millis
    ) -> History | None:
        await self.offloader.turns.next(state.observed.run.namespace)
        selector = past.selector(metric)
        if selector is None:
            return None
        by, reach, namespace = past.summed_by(plan, metric), past.BLOCKS * past.BLOCK_MS, state.observed.run.namespace
        try:
            async with self._asking(plan.provider, namespace):
                answer = await provider.sums(selector, by, end, reach, past.BLOCK_MS)
                work = partial(_read_history, answer, plan, metric, end)
                return await self.offloader.run(namespace, len(answer.body), work)
        except ProviderError as error:
            logger.warning("no history of %s, its noise will be assumed: %s", metric.name, error)
            return None

    async def _ask(
        self, state: RunState, plan: AnalysisPlan, metric: PlanMetric, end: Millis
    ) -> dict[str, MetricCounts]:
        """A query that knows its arms and its window itself."""
        namespace, source = state.observed.run.namespace, metric.source
        assert isinstance(source, Queried)
        digest = query_digest(source.query)
        try:
            async with self._asking(plan.provider, namespace):
                answer = await self.providers[plan.provider].values(source.query, end)
                found = await self.offloader.run(namespace, len(answer.body), answer.read)
        except ProviderError as error:
            return {metric.name: MetricCounts(Scalar(status="error", detail=str(error), query_digest=digest))}
        if found.warnings:
            measured = Scalar(status="partial", detail="; ".join(found.warnings), query_digest=digest)
        else:
            values = tuple(found.values)
            measured = Scalar(status="ok", query_digest=digest, series=len(values), values=values, vector=found.vector)
        return {metric.name: MetricCounts(measured)}

    @asynccontextmanager
    async def _asking(
        self, provider: str, namespace: str, until: float = float("inf"), metrics: int = 1
    ) -> AsyncIterator[None]:
        """One query of a namespace for so many metrics, as soon as it is its turn. Raises ProviderError when its time
        is over, or that of the snapshot (of the loop's clock)."""
        limit = min(self.query_timeout_seconds, until - asyncio.get_running_loop().time())
        why = f"had no query slot free for namespace {namespace}"
        charge(QUERY_MS)
        try:
            async with asyncio.timeout(limit), self.slots[provider].held(namespace, metrics):
                why = f"was not asked for namespace {namespace}, since the collector was busy with others,"
                await self.offloader.turns.next(namespace)
                self.offloader.turns.charge(namespace, QUERY_MS)
                why = "did not answer"
                with self.telemetry.query(provider):
                    yield
        except TimeoutError:
            await self.offloader.turns.next(namespace)  # those that were begun together end together
            raise ProviderError(f"provider {provider} {why} within {max(0, limit):.3g} s") from None


def _read_history(answer: Unread[Answer], plan: AnalysisPlan, metric: PlanMetric, end: Millis) -> History | None:
    found = answer.read()
    if found.warnings:
        raise ProviderError("; ".join(found.warnings))
    return past.history(plan, metric, found.series, end)
