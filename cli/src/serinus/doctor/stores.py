"""What a store of sums by period has for a plan, by one measurement of the collector's own code."""

from collections.abc import Sequence

from serinus_collecting.collect_periods import PeriodProvider, counts, other_api, selectors_of
from serinus_collecting.ports import ProviderError
from serinus_contracts import AnalysisPlan, PlanMetric, Selector, Window
from serinus_contracts.base import Arm, Millis
from serinus_contracts.period_stores import STORES
from serinus_contracts.wording import duration, percent
from serinus_counting.periods import MAX_PERIODS, PeriodSums

from serinus.doctor.checks import Check

# As many periods as a snapshot after a pause would count.
SHOWN = 10
_FIX = "see docs/how-to/stores.md"
_UNKNOWN = {"datadog": "serinus.doctor", "cloudwatch": "Serinus/Doctor"}


async def reached(store: PeriodProvider, shown: str, now: Millis) -> Check:
    """Whether it answers a query."""
    closed = store.periods.closed_until(now)
    try:
        await store.sums([Selector(name=_UNKNOWN[store.api])], closed - store.periods.period_ms, closed)
    except ProviderError as error:
        return Check(store.api, "failed", f"{shown}: {error}", _FIX)
    late = duration(store.periods.delay_ms / 1000)
    said = f"{shown} answers queries; a period of {duration(store.periods.period_ms / 1000)} is counted {late} after it"
    return Check(store.api, "ok", said)


def other_kind(plan: AnalysisPlan, store: PeriodProvider | None) -> Check | None:
    """Whether the policy is for a provider of another kind."""
    speaks = store.api if store else "prometheus"
    return None if plan.api == speaks else Check("provider", "failed", other_api(plan, speaks), _FIX)


async def metrics(plan: AnalysisPlan, store: PeriodProvider, now: Millis, releasing: bool) -> Sequence[Check]:
    """A check for each metric of the plan; between releases of stable alone."""
    return [await _metric(plan, metric, store, now, releasing) for metric in plan.metrics]


async def _metric(plan: AnalysisPlan, metric: PlanMetric, store: PeriodProvider, now: Millis, releasing: bool) -> Check:
    name, period = f"metric {metric.name}", store.periods.period_ms
    closed = store.periods.closed_until(now)
    try:
        selectors = selectors_of(plan, metric)
        objections = [said for one in selectors[:2] if (said := await store.objection(one))]
        if objections:
            return Check(name, "failed", "; ".join(objections), _FIX)
        day = await store.sums(selectors, closed - MAX_PERIODS * period, closed)
        window = Window(begin=closed - SHOWN * period, end=closed)
        measured = (await counts(store, plan, [metric], {metric.name: window}))[metric.name]
    except ProviderError as error:
        return Check(name, "failed", str(error), _FIX)
    shown: list[tuple[Arm, PeriodSums, PeriodSums]] = [("stable", day[2], day[3])]
    if releasing:
        shown.insert(0, ("canary", day[0], day[1]))
        if measured.status != "ok":
            return Check(name, "failed", f"a snapshot says {measured.status}: {measured.detail}", _FIX)
    if not day[3].counts:
        said = f"{STORES[store.api]} has no trials of stable within {duration(MAX_PERIODS * period / 1000)}"
        return Check(name, "failed", said, "compare the names, tags and values with the store's own")
    said = ", ".join(_arm(arm, events, trials, window) for arm, events, trials in shown)
    said += f" in {duration((window.end - window.begin) / 1000)}"
    if not (day[0].counts or day[2].counts):
        never = f"{said}; no event within {duration(MAX_PERIODS * period / 1000)}"
        return Check(name, "warning", never, "make sure that the name of events is right: what is unknown counts none")
    return Check(name, "ok", said)


def _arm(arm: Arm, events: PeriodSums, trials: PeriodSums, window: Window) -> str:
    def total(sums: PeriodSums) -> int:
        return round(sum(count for at, count in sums.counts.items() if window.begin <= at < window.end))

    of = total(trials)
    return f"{arm} {percent(total(events) / of)} of {of:,}" if of else f"{arm} without trials"
