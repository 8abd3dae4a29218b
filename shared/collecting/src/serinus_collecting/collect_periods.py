"""Measuring the metrics of a snapshot by a store that keeps sums by period: one question for all of them."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from serinus_contracts import AnalysisPlan, Counted, Matcher, Measurement, PlanMetric, Selector, Window
from serinus_contracts.base import Arm, Millis
from serinus_contracts.period_stores import STORES, PeriodApi
from serinus_contracts.plan import AnyOf
from serinus_counting.periods import ArmSums, Periods, PeriodSums, measure_periods, window_of
from serinus_counting.quality import blank
from serinus_counting.tallies import ARMS
from serinus_counting.windows import RunState, ended_before

from serinus_collecting.ports import ProviderError


class PeriodProvider(ABC):
    """Where sums by period come from: `api` says which language it speaks, `periods` when one is whole."""

    api: PeriodApi
    periods: Periods

    @abstractmethod
    async def sums(self, selectors: Sequence[Selector], begin: Millis, end: Millis) -> Sequence[PeriodSums]:
        """What each of them counts in the periods from `begin` to `end`, two edges. Raises ProviderError."""

    async def objection(self, selector: Selector) -> str:
        """Why its sums are no counts, as far as the store tells; empty if nothing speaks against it."""
        return ""


async def measure_by_period(
    provider: PeriodProvider,
    asking: Callable[[], AbstractAsyncContextManager[None]],
    state: RunState,
    plan: AnalysisPlan,
    end: Millis,
) -> Sequence[Measurement]:
    """The measurements of a plan's metrics, in their order; nothing is asked while no period has been closed since the
    last snapshot, unless that one was given no answer.

    `asking` is one question's turn, and raises ProviderError as the provider does.
    """
    windows = {metric.name: window_of(state, plan, metric, end, provider.periods) for metric in plan.metrics}
    closed = {name: window for name, window in windows.items() if window}
    new = state.failures or provider.periods.closed_until(end) > provider.periods.closed_until(state.follows)
    asked = [metric for metric in plan.metrics if metric.name in closed and new]
    found: dict[str, Measurement] = {}
    if asked:
        try:
            async with asking():
                found.update(await counts(provider, plan, asked, closed))
        except ProviderError as error:
            found.update({metric.name: blank(metric, "error", str(error)) for metric in asked})
    return [
        found.get(metric.name) or _unasked(metric, closed.get(metric.name), state, provider.periods)
        for metric in plan.metrics
    ]


def _unasked(metric: PlanMetric, window: Window | None, state: RunState, periods: Periods) -> Measurement:
    detail = f"no period of {periods.period_ms // 1000} s has been closed since"
    if window is not None:
        return blank(metric, periods.uncounted(window), f"{detail} the last snapshot, which counted nothing")
    return blank(metric, "settling" if ended_before(state, metric) is None else "waiting", detail)


def other_api(plan: AnalysisPlan, speaks: str) -> str:
    """Why a provider that speaks something else than the policy's source is not asked."""
    wanted = f"preset {speaks}" if speaks in STORES else "a preset for Prometheus"
    return f"provider {plan.provider} speaks {speaks}, and the policy's source is for {plan.api}: write {wanted}"


async def counts(
    provider: PeriodProvider, plan: AnalysisPlan, metrics: Sequence[PlanMetric], windows: Mapping[str, Window]
) -> Mapping[str, Measurement]:
    """The measurements of these metrics in their windows, by name. Raises ProviderError."""
    selectors = [selector for metric in metrics for selector in selectors_of(plan, metric)]
    begin, end = min(one.begin for one in windows.values()), max(one.end for one in windows.values())
    sums = iter(await provider.sums(selectors, begin, end))
    found = {}
    for metric in metrics:
        by_arm: dict[Arm, ArmSums] = {arm: ArmSums(next(sums), next(sums)) for arm in ARMS}
        store = STORES[provider.api]
        found[metric.name] = measure_periods(metric, windows[metric.name], by_arm, provider.periods, store)
    return found


def selectors_of(plan: AnalysisPlan, metric: PlanMetric) -> Sequence[Selector]:
    """What is asked for: events and trials of the canary, then of stable. Raises ProviderError."""
    source, rules = metric.source, plan.arms_of(metric)
    if not isinstance(source, Counted) or len(rules) != 1:
        raise ProviderError(f"{STORES.get(plan.api, plan.api)} counts events of trials alone, not {metric.name}")
    among = [matcher for matcher in source.query.matchers if matcher.label != "__name__"]
    found = []
    for arm in ARMS:
        of_arm = Matcher(label=rules[0].label, value=_literal(rules[0].canary if arm == "canary" else rules[0].stable))
        found += [_selector(groups).where(*among, of_arm) for groups in (source.events, source.trials)]
    return found


def _selector(groups: AnyOf) -> Selector:
    if len(groups) != 1 or not groups[0] or groups[0][0].label != "__name__":
        raise ProviderError("each of events and trials has to be one metric by its name")
    return Selector(name=groups[0][0].value, matchers=groups[0][1:])


def _literal(pattern: str) -> str:
    """The text that an arm's rule was made of."""
    text = re.sub(r"(?s)\\(.)", r"\1", pattern)
    if re.escape(text) != pattern:
        raise ProviderError(f"canary and stable are told apart by one value each, not by {pattern!r}")
    return text
