"""The evidence of a run over time, from its verdicts: for a person as tables and a chart, for a program as JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from serinus_contracts import Channel, Counts, MetricVerdict, VerdictReached
from serinus_contracts.channels import Shown, channels, telling
from serinus_contracts.described import whole_in_order
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import clock, edge, percent, words

from serinus.chart import chart, spark

MAX_ROWS = 16
WIDTH, HEIGHT = 60, 8


def picked(verdicts: Sequence[VerdictReached], most: int | None = MAX_ROWS) -> list[VerdictReached]:
    """Those worth a row: the first, each that changes weight, verdict or reason, the last, and some between them."""
    if most is None or len(verdicts) <= most:
        return list(verdicts)
    states = [(one.weight, one.verdict, one.reason) for one in verdicts]
    chosen = {0, len(verdicts) - 1} | {i for i in range(1, len(states)) if states[i] != states[i - 1]}
    between = max(most - len(chosen), 0)
    chosen |= {(number + 1) * len(verdicts) // (between + 1) for number in range(between)} - {len(verdicts)}
    return [verdicts[i] for i in sorted(chosen)]


def evidence(
    verdicts: Sequence[VerdictReached], bar: float | None, most: int | None = MAX_ROWS, wide: bool = False
) -> RenderableType:
    """The chart of all metrics together, the verdicts, and each metric by itself; bar: from where on it aborts; wide:
    every channel of a metric, not only the one that tells most."""
    parts: list[RenderableType] = []
    if bar is not None:
        marks = [
            (i, weight_text(one.weight))
            for i, one in enumerate(verdicts)
            if not i or one.weight != verdicts[i - 1].weight
        ]
        parts.append(Text(f"combined evidence of a regression (log odds); abort threshold {bar:.2f}", style="bold"))
        parts += [Text(row) for row in chart([one.log_eprocess for one in verdicts], bar, marks, WIDTH, HEIGHT)]
        parts.append(Text())
    rows = picked(verdicts, most)
    parts.append(_verdicts(rows))
    for metric in whole_in_order(verdicts)[-1].metrics:
        its_rows = [(one, found) for one in rows if (found := named(one, metric.name))]
        of_metric = [(one, found) for one, found in its_rows if counted(found)]
        if not metric.run and any(found.detail for _, found in its_rows):
            parts += [Text(), Text(metric.name, style="bold"), _states(its_rows)]
        elif of_metric:
            parts += [Text(), _heading(metric), *_sparks(verdicts, metric.name, bar), _numbers(of_metric, bar, wide)]
    if len(rows) < len(verdicts):
        parts.append(Text(f"\n{len(rows)} of {len(verdicts)} evaluations; --all shows every one", style="dim"))
    return Group(*parts)


def counted(metric: MetricVerdict) -> bool:
    """Whether anything was counted in this stage yet."""
    shown = telling(metric)
    return shown is not None and bool(shown.canary.trials or shown.stable.trials)


def named(verdict: VerdictReached, name: str) -> MetricVerdict | None:
    """The verdict on a metric; None where it has none."""
    return next((metric for metric in verdict.metrics if metric.name == name), None)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for column in columns:
        right = column in ("evaluation", "weight", "ln sum vM", "requests", "ln M", "ln N", "score")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    return table


def _verdicts(rows: Sequence[VerdictReached]) -> Table:
    scored = any(one.score is not None for one in rows)
    table = _table("time", "evaluation", "weight", "verdict", "ln sum vM", "requests", *(["score"] if scored else []))
    for one in rows:
        said = f"{one.verdict}: {words(one.reason)}"
        cells = [
            clock(one.end),
            str(one.evaluation),
            weight_text(one.weight),
            said,
            f"{one.log_eprocess:.2f}",
            f"{one.evaluated_requests:,}",
        ]
        table.add_row(*cells, *(["" if one.score is None else f"{one.score:.0f}"] if scored else []))
    return table


def _heading(metric: MetricVerdict) -> Text:
    about = f"\n{percent(metric.share)} of the false-abort rate"
    if metric.dispersion is not None and metric.correlation is not None:
        how = "measured" if metric.calibrated else "assumed"
        about += f", noise {how}: dispersion {metric.dispersion:.3g}, correlation {metric.correlation:.3g}"
    about += f", {metric.left_out}" if metric.left_out else ""
    kept = f"limit {metric.run[0].margin.absolute:g}" if metric.limit else margin(metric)
    return Text.assemble((metric.name, "bold"), (f"  {kept}{about}", "dim"))


def margin(metric: MetricVerdict) -> str:
    """The margin in words, of a latency that of the first channel."""
    channel = metric.run[0]
    if channel.stable_edge is not None:
        return "shares over edges of the histogram; shown is the worst for the canary"
    kept = channel.margin
    return f"margin {kept.ratio:g} x stable" + (f" + {kept.absolute:g}" if kept.absolute else "")


def _sparks(verdicts: Sequence[VerdictReached], name: str, bar: float | None) -> Iterable[Text]:
    if bar is None:
        return  # a judge without e-values
    found = [metric for one in verdicts if (metric := named(one, name))]
    yield Text(f"ln M {spark([metric.log_eprocess for metric in found], -2.0, bar, WIDTH)}")
    proceeds = [metric.log_eprocess_non_inferior for metric in found if metric.log_eprocess_non_inferior is not None]
    if proceeds:
        yield Text(f"ln N {spark(proceeds, -2.0, 3.0, WIDTH)}")


def _numbers(rows: Sequence[tuple[VerdictReached, MetricVerdict]], bar: float | None, wide: bool) -> Table:
    several = wide and any(len(metric.run) > 1 for _, metric in rows)
    law = ["ln M", "ln N", "of the margin"] if bar else []
    table = _table("time", *(["over"] if several else []), "canary", "stable", *law, "state")
    for verdict, metric in rows:
        for shown in channels(metric) if several else filter(None, [telling(metric)]):
            channel = shown.channel
            over = [] if not several else ["" if channel.canary_edge is None else edge(channel.canary_edge)]
            of = channel if several else metric
            log_n = "" if of.log_eprocess_non_inferior is None else f"{of.log_eprocess_non_inferior:.2f}"
            known = [f"{of.log_eprocess:.2f}", log_n, interval(channel)] if bar else []
            counts = map(_count, (shown.canary, shown.stable))
            table.add_row(clock(verdict.end), *over, *counts, *known, words(metric.label))
    return table


def _states(rows: Sequence[tuple[VerdictReached, MetricVerdict]]) -> Table:
    """A metric that counts nothing: a gauge, or a rule."""
    table = _table("time", "state", "")
    for verdict, metric in rows:
        table.add_row(clock(verdict.end), words(metric.label), Text(metric.detail, overflow="fold"))
    return table


def _count(counts: Counts) -> str:
    return f"{counts.events:,} of {counts.trials:,}"


def interval(channel: Channel) -> str:
    """What the ratio of canary to margin is known to be; 1 is the margin."""
    low = "0" if channel.low is None else f"{channel.low:.2g}"
    return f"{low} to {'?' if channel.high is None else f'{channel.high:.2g}'}"


def documents(verdicts: Sequence[VerdictReached]) -> list[dict[str, Any]]:
    """All evaluations for a program: channels as each told them, noise and reach as they were told last."""
    return [_document(*pair) for pair in zip(verdicts, whole_in_order(verdicts), strict=True)]


def _document(verdict: VerdictReached, whole: VerdictReached) -> dict[str, Any]:
    pairs = zip(verdict.metrics, whole.metrics, strict=True)
    return {
        "end": verdict.end,
        "evaluation": verdict.evaluation,
        "stage": verdict.stage,
        "weight": verdict.weight,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "sentence": verdict.sentence,
        "evaluated_requests": verdict.evaluated_requests,
        "log_eprocess": verdict.log_eprocess,
        "score": verdict.score,
        "metrics": {told.name: _metric(told, known) for told, known in pairs},
    }


def _metric(metric: MetricVerdict, known: MetricVerdict) -> dict[str, Any]:
    return {
        "label": metric.label,
        "log_eprocess": metric.log_eprocess,
        "log_eprocess_non_inferior": metric.log_eprocess_non_inferior,
        "share": metric.share,
        "calibrated": metric.calibrated,
        "dispersion": known.dispersion,
        "correlation": known.correlation,
        "detectable_rate": known.detectable_rate,
        "channels": [_channel(shown) for shown in channels(metric)],
    }


def _channel(shown: Shown) -> dict[str, Any]:
    channel = shown.channel
    return {
        "canary": [shown.canary.events, shown.canary.trials],
        "stable": [shown.stable.events, shown.stable.trials],
        "quantile": channel.quantile,
        "canary_edge": channel.canary_edge,
        "stable_edge": channel.stable_edge,
        "log_eprocess": channel.log_eprocess,
        "log_eprocess_non_inferior": channel.log_eprocess_non_inferior,
        "interval": [channel.low, channel.high],
    }
