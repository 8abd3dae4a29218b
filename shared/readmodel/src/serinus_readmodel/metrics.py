"""What is known of each metric, as a row: canary against stable, the interval against the margin, and the counts."""

from collections.abc import Sequence
from math import log10
from typing import NamedTuple

from serinus_contracts import AnalysisPlan, Counts, MetricVerdict, VerdictReached
from serinus_contracts.channels import Shown, channels, telling
from serinus_contracts.events import Label, SegmentVerdict
from serinus_contracts.metric import Margin
from serinus_contracts.wording import edge, percent, plain, times

MARKS = {"ok": "✓", "unclear": "~", "warning": "!", "worse": "✗", "no_data": "?", "error": "?", "settling": "…"}
SAID = {
    "ok": "within the allowed rate",
    "unclear": "inconclusive so far",
    "warning": "possible regression",
    "worse": "regressed",
    "no_data": "no data",
    "error": "query failed",
    "settling": "settling",
}
COARSE = 1.05
"""Buckets that show a slowdown this factor beyond what is allowed, or less, are told nothing of."""
# The axis goes from a tenth of the margin to ten times it.
DECADES = 1.0


class Arm(NamedTuple):
    """A rate and its counts, as text."""

    rate: str
    counts: str


class Bar(NamedTuple):
    """Positions from 0 to 100 on a logarithmic axis of the ratio to the margin, which is at 50."""

    low: float
    high: float
    point: float | None
    open_low: bool
    open_high: bool
    falling: bool
    text: str


class Row(NamedTuple):
    """One metric or limit, as text; `others`: the rest of its channels, where it has several, or the worst values of
    the label `segment`, where it has one."""

    name: str
    about: str
    label: str
    mark: str
    said: str
    critical: bool
    limit: bool
    canary: Arm | None
    stable: Arm | None
    difference: str
    margin: str
    bar: Bar | None
    detail: str
    visible: str
    query: str
    others: Sequence["Row"]
    segment: str = ""


def rows(said: VerdictReached, plan: AnalysisPlan | None) -> list[Row]:
    """Metrics first, then limits, each in the order of the policy."""
    rates = {metric.name for metric in plan.metrics if metric.count == "rate"} if plan else set()
    return [_row(metric, plan, metric.name in rates) for metric in said.metrics]


def _row(metric: MetricVerdict, plan: AnalysisPlan | None, rate: bool) -> Row:
    shown = telling(metric)
    others = channels(metric)
    row = _shown(metric, shown, rate)
    details = [_shown(metric, other, rate) for other in others] if len(others) > 1 or metric.durations else []
    if metric.segments:
        details = [_segment(metric, each, rate) for each in metric.segments]
    if metric.durations and shown:
        row = _slower(metric, shown, row)
    visible = "" if metric.detectable_rate is None else (plain if rate else percent)(metric.detectable_rate)
    return row._replace(others=details, visible=visible, query=_query(metric.name, plan), segment=metric.segment or "")


def _segment(metric: MetricVerdict, each: SegmentVerdict, rate: bool) -> Row:
    """One value of a metric's segment, with its counts in this stage."""
    channel = metric.run[0].model_copy(
        update={
            "canary": each.canary,
            "stable": each.stable,
            "log_eprocess": each.log_eprocess,
            "low": each.low,
            "high": each.high,
        }
    )
    label: Label = "worse" if each.worse else "unclear"
    row = _shown(metric.model_copy(update={"label": label, "detail": ""}), Shown(channel, *each.stage), rate)
    return row._replace(about=each.words(metric.segment or ""))


def _shown(metric: MetricVerdict, shown: Shown | None, rate: bool) -> Row:
    phrase = plain if rate else percent
    channel = shown.channel if shown else None
    label, said = metric.label, SAID[metric.label]
    if label == "ok" and channel and channel.low is channel.high is None:
        # Nothing is shown of it, so no tick.
        label, said = "unclear", "below its limit so far" if metric.limit else SAID["unclear"]
    return Row(
        name=metric.name,
        about=_about(shown),
        label=label,
        mark=MARKS[label],
        said=said,
        critical=metric.critical,
        limit=metric.limit,
        canary=_arm(shown.canary, shown.stable, rate) if shown else None,
        stable=_arm(shown.stable, shown.canary, rate) if shown and not metric.limit else None,
        difference=_difference(shown, rate) if shown and not metric.limit else "",
        margin=_margin(shown.channel.margin, phrase, metric.better) if shown else "",
        bar=_bar(shown, metric.better == "higher") if shown else None,
        detail=metric.detail or (channel.detail if channel else ""),
        visible="",
        query="",
        others=(),
    )


def _slower(metric: MetricVerdict, shown: Shown, row: Row) -> Row:
    """A latency in milliseconds, as everybody speaks of it; the shares that are tested are its details."""
    durations = metric.durations
    allowed, visible = metric.allowed_slowdown, metric.visible_slowdown
    coarse = allowed is not None and visible is not None and visible > COARSE * allowed
    return row._replace(
        about="/".join(f"p{100 * one.quantile:g}" for one in durations),
        canary=Arm(milliseconds([one.canary for one in durations]), f"of {shown.canary.trials:,}"),
        stable=Arm(milliseconds([one.stable for one in durations]), f"of {shown.stable.trials:,}"),
        difference="/".join(f"{one.canary / one.stable:.2f}" if one.stable else "–" for one in durations) + "×",
        margin="" if allowed is None else f"allowed {allowed:g}× stable",
        bar=None,
        detail=f"these buckets show a slowdown from {visible:.3g}× on" if coarse else metric.detail,
    )


def milliseconds(seconds: Sequence[float]) -> str:
    """60/232/400 ms."""
    return "/".join(f"{1000 * one:.3g}" if one < 1 else f"{1000 * one:.0f}" for one in seconds) + " ms"


def _about(shown: Shown | None) -> str:
    if shown is None or shown.channel.canary_edge is None:
        return ""
    quantile = shown.channel.quantile
    name = f"p{100 * quantile:g}: " if quantile else ""
    stable = shown.channel.stable_edge
    other = "" if stable is None or stable == shown.channel.canary_edge else f", stable's over {edge(stable)}"
    return f"{name}over {edge(shown.channel.canary_edge)}{other}"


def _arm(counts: Counts, beside: Counts, rate: bool) -> Arm | None:
    if counts.rate is None:
        return None
    return Arm((plain if rate else percent)(counts.rate, beside.rate), f"{counts.events:,} of {counts.trials:,}")


def _difference(shown: Shown, rate: bool) -> str:
    canary, stable = shown.canary.rate, shown.stable.rate
    if canary is None or stable is None:
        return ""
    gap = canary - stable
    return f"{gap:+.2g}" if rate else f"{100 * gap:+.2g} pp"


def _margin(margin: Margin, phrase: object, better: str) -> str:
    absolute = phrase(margin.absolute) if callable(phrase) and margin.absolute else ""
    sign = "≥" if better == "higher" else "≤"
    if not margin.ratio:
        return f"{sign} {absolute}"
    if margin.ratio == 1 and not absolute:
        return f"{sign} stable"
    return f"{sign} {margin.ratio:g} × stable" + (f" + {absolute}" if absolute else "")


def _bar(shown: Shown, falling: bool) -> Bar | None:
    low, high, point = shown.channel.low, shown.channel.high, shown.ratio
    if low is None and high is None and point is None:
        return None
    if low is not None and high is not None:
        text = f"between {times(low)} and {times(high)} the allowed rate"
    elif high is not None:
        text = f"at most {times(high)} the allowed rate"
    else:
        text = "no bound yet" if low is None else f"at least {times(low)} the allowed rate"
    return Bar(
        low=_place(low or 0.0),
        high=100.0 if high is None else _place(high),
        point=None if point is None else _place(point),
        open_low=low is None,
        open_high=high is None,
        falling=falling,
        text=text,
    )


def _place(ratio: float) -> float:
    least = 10**-DECADES
    return 50 + 50 * log10(min(max(ratio, least), 1 / least)) / DECADES


def _query(name: str, plan: AnalysisPlan | None) -> str:
    if plan is None:
        return ""
    names = {limit.name: limit.metric for limit in plan.limits}
    found = next((metric for metric in plan.metrics if metric.name == names.get(name, name)), None)
    return "" if found is None else str(found.source.query)
