"""Descriptions that people ask for beside every judgement: tests, effect sizes, trends, what it costs the business.

They decide nothing: made for one snapshot, they would abort a healthy canary sooner or later
(docs/explanation/judging.md, "Beside the judgement"). Each function takes counts and gives one finding, or None where
there is nothing to say."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Literal

from serinus_contracts.judge import RecommendationRule
from serinus_contracts.metric import Better
from serinus_contracts.wording import edge, percent, plain

from serinus_judging import classical
from serinus_judging.assessment import Fields
from serinus_judging.histogram import quantile

Severity = Literal["none", "info", "warning", "critical"]
Counts = tuple[int, int]
"""Events of trials."""

_DEFAULT = RecommendationRule(name="recommendation")
_SLOWER = 1.2
"""Slower than this is worth a word."""
LIKELY = 0.01
"""A trend whose p-value is larger is not told."""


def severity(
    kind: Literal["success", "latency", "conversion"], ratio: float, rule: RecommendationRule = _DEFAULT
) -> Severity:
    """How bad the ratio of canary to stable is: of shares that succeed, of durations, or of conversions."""
    if kind == "latency":
        if ratio > rule.latency_ratio_warning:
            return "critical" if ratio > rule.latency_ratio_critical else "warning"
        return "info" if ratio > _SLOWER else "none"
    critical, warning = (
        (rule.success_ratio_critical, rule.success_ratio_warning)
        if kind == "success"
        else (rule.conversion_ratio_critical, rule.conversion_ratio_warning)
    )
    return "critical" if ratio < critical else "warning" if ratio < warning else "none"


def of_proportions(name: str, canary: Counts, stable: Counts, better: Better = "lower") -> Fields | None:
    """Two-proportion z, Cohen's h, ratio and severity of a share of events."""
    found = classical.two_proportions(*canary, *stable)
    if found is None:
        return None
    own, other = canary[0] / canary[1], stable[0] / stable[1]
    values = {"canary": own, "stable": other, "z": found.z, "p": found.p, "cohens_h": found.h}
    good, bad = (own, other) if better == "higher" else (1 - own, 1 - other)
    degree: Severity = "none"
    if bad > 0:
        degree = severity("conversion" if better == "higher" else "success", good / bad)
    if other > 0:
        values["ratio"] = own / other
    times = f", {plain(own / other)} times stable's" if other > 0 else ""
    counts = f"{canary[0]:,} of {canary[1]:,}; {stable[0]:,} of {stable[1]:,}"
    text = f"{name} {percent(own, other)} against {percent(other, own)} on stable{times} ({counts}); "
    text += f"z {found.z:.1f}, {p_value(found.p)}, Cohen's h {found.h:.2f}"
    return _finding("statistics", name, degree, text, values)


def of_durations(name: str, edges: Sequence[float], canary: Sequence[int], stable: Sequence[int]) -> Fields | None:
    """Mann-Whitney with the rank-biserial correlation on buckets, the ratio of the p95s and its severity.

    edges in seconds, counts per bucket (one more). Quantiles are interpolated inside a bucket as Prometheus does.
    """
    if len(canary) != len(edges) + 1:
        return None
    found = classical.ranks(canary, stable)
    own, other = quantile(edges, canary, 0.95), quantile(edges, stable, 0.95)
    if found is None or own is None or other is None:
        return None
    values = {"canary_p95": own, "stable_p95": other, "u": found.u, "z": found.z, "p": found.p}
    values["rank_biserial"] = found.rank_biserial
    degree: Severity = "none"
    times = ""
    if other > 0:
        values["ratio"] = own / other
        degree, times = severity("latency", own / other), f", {plain(own / other)} times stable's"
    text = f"{name} p95 {edge(own)} against {edge(other)} on stable{times}; "
    text += f"Mann-Whitney z {found.z:.1f}, {p_value(found.p)}, rank-biserial {found.rank_biserial:.2f}"
    return _finding("statistics", name, degree, text, values)


def of_trend(name: str, hours: Sequence[float], values: Sequence[float], better: Better = "lower") -> Fields | None:
    """Whether the canary's rate goes the wrong way over the snapshots: Mann-Kendall, Theil-Sen; None where it does
    not."""
    found = classical.trend(hours, values, LIKELY)
    if found is None or not (found.slope < 0 if better == "higher" else found.slope > 0):
        return None
    way = "falls" if better == "higher" else "rises"
    text = f"{name} of the canary {way} by {plain(abs(found.slope))} an hour over {len(values)} points; "
    text += f"Mann-Kendall {p_value(found.p)}"
    numbers = {"slope_per_hour": found.slope, "tau": found.tau, "z": found.z, "p": found.p}
    return _finding("trend", name, "info", text, numbers)


def of_business(name: str, canary: Counts, stable: Counts, seconds: float) -> Fields | None:
    """Conversions lost per hour at the canary's traffic, with a 95 % interval; below 0: gained."""
    bounds = classical.difference(*stable, *canary)
    if bounds is None or not 0 < seconds < inf:
        return None
    hourly = 3600 * canary[1] / seconds
    lost = hourly * (stable[0] / stable[1] - canary[0] / canary[1])
    low, high = (hourly * bound for bound in bounds)
    everywhere = (canary[1] + stable[1]) / canary[1]
    text = f"{name}: {_lost(lost)} an hour (95 % interval {low:,.0f} to {high:,.0f} lost); "
    text += f"with all traffic on the canary {_lost(lost * everywhere)} an hour"
    values = {"lost_per_hour": lost, "low": low, "high": high, "lost_per_hour_at_full_traffic": lost * everywhere}
    return _finding("business", name, "warning" if low > 0 else "none", text, values)


def _lost(count: float) -> str:
    return f"{abs(count):,.0f} {'gained' if count < 0 and round(count) else 'lost'}"


def p_value(p: float) -> str:
    """p 0.012, p below 0.0001."""
    return f"p {p:.2g}" if p >= 1e-4 else "p below 0.0001"


def _finding(kind: str, metric: str, degree: Severity, text: str, values: Mapping[str, float]) -> Fields:
    return {"kind": kind, "metric": metric, "severity": degree, "text": text, "values": values}
