"""What a metric may be where the store keeps sums by period: counts, and nothing that a sum does not say."""

from pydantic_core import PydanticCustomError

from serinus_contracts.metric import MetricRule, SourceRule
from serinus_contracts.period_stores import STORES, PeriodApi, check
from serinus_contracts.selector import Matcher, Selector

_ONLY_COUNTS = {
    "distribution": "{store} gives no exact counts by latency: count slow requests in a metric of their own, and give "
    "it as events",
    "gauge": "{store} tells no pods apart here: leave the gauge out",
    "scalar": "a query with conditions is PromQL, which {store} does not speak: give events and trials",
}


def check_stored(metric: MetricRule, source: SourceRule, index: int) -> None:
    """Raises for a metric that the store of its source cannot be asked, at its place in the policy."""
    if source.preset not in STORES:
        return
    api: PeriodApi = "datadog" if source.preset == "datadog" else "cloudwatch"
    store = STORES[api]
    if (wrong := _ONLY_COUNTS.get(metric.kind)) is not None:
        raise _unfit(wrong.format(store=store), index)
    if metric.events is None or metric.trials is None:
        raise _unfit(f"preset {api} has no names of its own: give events and trials", index, "preset")
    if metric.segment is not None:
        raise _unfit(f"counts of {store} come without segments: leave segment out", index, "segment")
    for field, selector in (("events", metric.events), ("trials", metric.trials)):
        try:
            check(api, _asked(selector, source))
        except ValueError as error:
            raise _unfit(str(error), index, field) from None


def _asked(selector: Selector, source: SourceRule) -> Selector:
    """As it is asked of the canary: with its value, and without what is left out."""
    excluded = source.exclude.matchers if source.exclude else ()
    arm = Matcher(label=source.label or "rollouts_pod_template_hash", value=source.canary or "0")
    return selector.where(*(one.negated for one in excluded), arm)


def _unfit(sentence: str, index: int, *field: str) -> PydanticCustomError:
    # Braces of a selector are none of a template.
    return PydanticCustomError("unfit", "{sentence}", {"sentence": sentence, "at": ("metrics", index, *field)})
