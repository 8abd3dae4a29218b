"""What all forms of the report say in the same words."""

from collections.abc import Iterator, Sequence
from math import log

from serinus_contracts import Counts, DecisionTaken, MetricVerdict
from serinus_contracts.base import Millis
from serinus_contracts.channels import telling
from serinus_contracts.report import Report
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import clock, duration, edge, moment, percent, words
from serinus_readmodel.metrics import milliseconds

from serinus.found import found

MARKS = {"promoted": "✔", "aborted": "✖", "superseded": "↷", "deleted": "–", None: "●"}
# Of `serinus judge`, which releases nothing.
_CONCLUDED = {"proceed": ("✔", "proceed"), "abort": ("✖", "abort"), "hold": ("■", "inconclusive")}
_STYLES = {"proceed": "promoted", "abort": "aborted", "hold": "live"}


def title(report: Report) -> str:
    """Mark, name and outcome of the run."""
    if report.concluded:
        mark, end = _CONCLUDED[report.concluded]
        return f"{mark} {report.run.name}  {end}"
    return f"{MARKS[report.outcome]} {report.run.rollout}  {report.outcome or 'in progress'}"


def style(report: Report) -> str:
    """What its title is coloured by: promoted, aborted, or live where it is neither."""
    return _STYLES[report.concluded] if report.concluded else report.outcome or "live"


def facts(report: Report, now: Millis) -> Iterator[tuple[str, str]]:
    """What stands at the head of a report, by name."""
    run, plan = report.run, report.plan
    yield "Why", report.why
    if report.concluded:
        yield "Compared", f"canary {run.canary_hash} against stable {run.stable_hash}"
    else:
        yield "Revision", f"{run.canary_hash} against {run.stable_hash}, attempt {run.attempt}, cluster {run.cluster}"
    mode = "" if report.concluded else f" ({plan.mode})"
    yield "Policy", f"{report.policy}{mode}, judge {plan.judge.name}"
    yield (
        "Began",
        f"{moment(report.began)}, {'took' if report.ended else 'for'} {_between(report.began, report.ended or now)}",
    )
    requests = report.verdict.requests_until(report.ended or now) if report.verdict else "none evaluated"
    yield "Requests", f"{requests}, in {report.evaluations:,} evaluations"


def rules(report: Report) -> Iterator[tuple[str, str]]:
    """The plan, as far as it decides about a run."""
    plan = report.plan
    yield "false-abort rate", percent(plan.false_abort_rate)
    yield "false-promote rate", percent(plan.false_promote_rate)
    for stage in plan.stages:
        asks = ", a person approves" if stage.approval else ""
        yield (
            weight_text(stage.weight),
            f"{stage.gate} after {duration(stage.minimum)} to {duration(stage.maximum)}{asks}",
        )
    for metric in plan.metrics:
        margin = metric.margin
        absolute = f" + {margin.absolute:g}" if margin.absolute else ""
        yield metric.name, f"{metric.better} is better, margin {margin.ratio:g} x stable{absolute}"
    for limit in plan.limits:
        yield "limit", limit.name


def _between(begin: Millis, end: Millis) -> str:
    return duration((end - begin) / 1000)


def stages(report: Report) -> Iterator[tuple[str, str, str]]:
    """When each stage began, its weight, how long it lasted; none where nobody set a weight."""
    if report.concluded:
        return
    ends = [one.at for one in report.stages[1:]] + [report.ended]
    for one, end in zip(report.stages, ends, strict=False):
        yield clock(one.at), weight_text(one.weight), _between(one.at, end) if end else "now"


def metrics(judged: Sequence[MetricVerdict]) -> Iterator[tuple[str, str, str, str]]:
    """Metric, canary, stable, state: counts of the whole run, of a latency the quantiles of its last stage."""
    for metric in judged:
        if metric.limit:
            continue
        canary = stable = ""
        if metric.durations:
            quantiles = "/".join(f"p{100 * one.quantile:g}" for one in metric.durations)
            canary, stable = (
                f"{quantiles} {milliseconds([getattr(one, arm) for one in metric.durations])}"
                for arm in ("canary", "stable")
            )
        elif shown := telling(metric):
            channel = shown.channel
            canary = _count(channel.canary, channel.stable, channel.canary_edge)
            stable = _count(channel.stable, channel.canary, channel.stable_edge)
        yield metric.name, canary, stable, words(metric.label)
        for each in metric.segments:
            if each.worse:
                arms = _count(each.canary, each.stable, None), _count(each.stable, each.canary, None)
                yield f"{metric.name} of {each.words(metric.segment or '')}", *arms, words("worse")


def findings(report: Report) -> Iterator[tuple[str, str]]:
    """Mark and text of what was found beside the counts."""
    for line in found(report.verdict.metrics, report.verdict.findings) if report.verdict else ():
        mark, _, text = line.partition(" ")
        yield mark, text


def _count(counts: Counts, beside: Counts, over: float | None) -> str:
    if counts.rate is None:
        return "no requests"
    slower = "" if over is None else f" over {edge(over)}"
    return f"{percent(counts.rate, beside.rate)}{slower} ({counts.events:,} of {counts.trials:,})"


def verdicts(report: Report) -> Iterator[tuple[str, str]]:
    """When the verdict or its reason changed, and to what."""
    for one in report.changes:
        yield clock(one.at), one.sentence


def decisions(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """All but the holds that only repeat the reason code of a verdict."""
    sentences = {one.sentence: clock(one.at) for one in report.changes}
    for one in report.decisions:
        if one.action != "hold" or one.actor != "serinus" or " " in one.detail:
            when, what, who, why = decision(one)
            yield when, what, who, f"by the verdict of {sentences[why]}" if why in sentences else why


def decision(one: DecisionTaken) -> tuple[str, str, str, str]:
    """When, what, by whom, why."""
    what = one.action if one.state == "confirmed" else f"{one.action} {one.state}"
    return clock(one.decided), words(what), one.actor, one.detail


def changed(one: DecisionTaken) -> Iterator[tuple[str, str, str]]:
    """What a person changed of the rules: name, before, after."""
    if one.action == "override":
        for name in one.after:
            yield name, str(one.before.get(name)), str(one.after[name])


def bar(report: Report) -> float:
    """ln M from which the run is aborted."""
    return log(1 / report.plan.false_abort_rate)
