"""`serinus power`: what traffic can show by when, before or during a run."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from serinus_contracts import AnalysisPlan, PlanStage, VerdictReached
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, percent
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.plan_metrics import gating_metrics, without_gauges
from serinus_judging.sequential.power import Forecast, forecast

from serinus import plans
from serinus.board import Board
from serinus.connect import with_board
from serinus.options import INCONCLUSIVE, USAGE, Output, Source, fail
from serinus.runs import find_run
from serinus.terminal import Terminal

_PER = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"([0-9]*\.?[0-9]+(?:e[0-9]+)?)(?:/([smhd]))?")


@dataclass(frozen=True)
class Slowdown:
    """What the buckets of a latency show: the least slowdown that can abort (None: none can), beside the one that is
    allowed, and whether a proof can come."""

    seen: float | None
    allowed: float
    provable: bool


@dataclass
class Traffic:
    """What is known of the traffic: requests per second of both arms, stable's rates, and of each metric the noise or
    what its buckets show."""

    pace: float
    rates: dict[str, float]
    noise: dict[str, tuple[float, float]] = field(default_factory=dict)
    slowdowns: dict[str, Slowdown] = field(default_factory=dict)


def power(
    source: Source,
    output: Output,
    policy: Annotated[
        Path | None, typer.Argument(help="The policy's file; with --run that run's own by default.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="Requests of both arms, such as 50/s or 3000/m.")] = None,
    baseline: Annotated[list[str] | None, typer.Option(help="Stable's rate of a metric, as errors=0.002.")] = None,
    rollout: Annotated[Path | None, typer.Option("--rollout", "-r", help="The Rollout's manifest.")] = None,
    run: Annotated[str | None, typer.Option(help="A run to take traffic, rates and noise from.")] = None,
    dispersion: Annotated[
        float | None, typer.Option(min=1, help="Noise, as in a verdict; else what is assumed.")
    ] = None,
    correlation: Annotated[float | None, typer.Option(min=0, help="How it grows, as in a verdict.")] = None,
) -> None:
    """Estimate the smallest regression your traffic can detect, and when a gate opens.

    Per stage. Seen means: aborted by the stage's maximum with 80 % probability. Exit code 4 where a nonInferiority gate
    that a healthy canary must pass is out of reach.
    """
    given = _given(rate, baseline or [])
    plan: AnalysisPlan | None = None
    if run is not None:
        plan, known = _of_run(run, source)
        pace = known.pace if given.pace == 0 else given.pace
        given = Traffic(pace, known.rates | given.rates, known.noise, known.slowdowns)
    if policy is not None:
        rule = plans.read_policy(policy)
        recorded = plans.of_plan(plan.stages) if plan else plans.of_policy(rule) if rollout is None else ()
        plan = plans.plan_for(rule, plans.NOBODY, plans.of_manifest(rollout) if rollout else recorded)
    if plan is None:
        fail("give a policy's file, or a run by --run", USAGE)
    _complete(plan, given)
    found = _forecasts(plan, given, dispersion, correlation)
    unreachable = [*unreachable_gates(plan, found), *shut_by_buckets(plan, given.slowdowns)]
    if output.data:
        output.document(document(plan, given, found, unreachable))
    else:
        _print(output.terminal, plan, given, found, unreachable)
    if unreachable:
        raise typer.Exit(INCONCLUSIVE)


def _given(rate: str | None, baseline: Sequence[str]) -> Traffic:
    rates = {}
    for text in baseline:
        name, equals, value = text.partition("=")
        try:
            rates[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not math.isfinite(rates[name]) or rates[name] <= 0:
            fail(f"--baseline {text}: write it as errors=0.002, a rate above 0", 2)
    return Traffic(_pace(rate) if rate else 0.0, rates)


def _pace(text: str) -> float:
    found = _RATE.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        fail(f"--rate {text}: write requests per second, minute, hour or day, such as 50/s or 3000/m", 2)
    return float(found[1]) / _PER[found[2] or "s"]


def _complete(plan: AnalysisPlan, given: Traffic) -> None:
    """Ends with what is missing."""
    names = [metric.name for metric in plan.metrics if metric.source.kind == "proportion"]
    if not names:
        fail(f"policy {plan.policy} has no metric of events and trials: nothing can be said beforehand")
    unknown = [name for name in given.rates if name not in names]
    if unknown:
        fail(f"--baseline of {', '.join(unknown)}: the policy's metrics of events and trials are {', '.join(names)}", 2)
    if not given.pace:
        fail("how much traffic is there? Give it as --rate 50/s, or a run by --run", USAGE)
    if not any(name in given.rates for name in names):
        fail(f"how often does it happen on stable? Give --baseline {names[0]}=0.002, or a run by --run", USAGE)


def _of_run(run: str, source: Source) -> tuple[AnalysisPlan, Traffic]:
    found: list[tuple[AnalysisPlan, Traffic]] = []

    async def read(board: Board) -> None:
        name = await find_run(board, run)
        verdicts = await board.verdicts(name)
        counted = [one for one in verdicts if any(metric.run for metric in one.metrics)]
        plan = await board.plan(verdicts[-1]) if verdicts else None
        if not counted or plan is None:
            fail(f"run {name} has no counts yet: give --rate and --baseline instead")
        found.append((plan, traffic(counted, plan)))

    with_board(source, read)
    return found[0]


def traffic(verdicts: Sequence[VerdictReached], plan: AnalysisPlan) -> Traffic:
    """Traffic of a run: what its stages counted in the time that was judged, and stable's rates over the run."""
    last_of_stage = {(one.stage, one.stage_started): one for one in verdicts}
    requests, seconds = 0, 0.0
    for one in last_of_stage.values():
        judged = (one.end - one.stage_started) / 1000 - plan.settle
        if one.traffic and judged > 0:
            requests += one.traffic.canary + one.traffic.stable
            seconds += judged
    rates, noise, slowdowns = {}, {}, {}
    told = next((one for one in reversed(verdicts) if one.described), verdicts[-1])  # channels, noise and reach
    for metric in told.metrics:
        if metric.allowed_slowdown is not None and metric.run:
            provable = any(channel.log_eprocess_non_inferior is not None for channel in metric.run)
            slowdowns[metric.name] = Slowdown(metric.visible_slowdown, metric.allowed_slowdown, provable)
        plain = metric.run and metric.run[0].stable_edge is None and not metric.limit
        if plain and metric.run[0].stable.rate:
            rates[metric.name] = metric.run[0].stable.rate
            noise[metric.name] = (
                metric.dispersion or ASSUMED_PHI,
                ASSUMED_KAPPA if metric.correlation is None else metric.correlation,
            )
    return Traffic(requests / seconds if seconds else 0.0, rates, noise, slowdowns)


def _forecasts(
    plan: AnalysisPlan, given: Traffic, dispersion: float | None, correlation: float | None
) -> list[Forecast]:
    found: list[Forecast] = []
    for name, rate in given.rates.items():
        known = given.noise.get(name, (ASSUMED_PHI, ASSUMED_KAPPA))
        asked = (dispersion, correlation)
        noise = [of_run if one is None else one for one, of_run in zip(asked, known, strict=True)]
        found += forecast(plan, given.pace, {name: rate}, *noise)
    order = [stage.weight for stage in plan.stages]
    return sorted(found, key=lambda one: order.index(one.weight))


def unreachable_gates(plan: AnalysisPlan, found: Sequence[Forecast]) -> list[str]:
    """Proof gates that a canary equal to stable does not pass in time, by the metrics that are forecast."""
    critical = {metric.name for metric in plan.metrics if metric.critical}
    weights: Mapping[float, PlanStage] = {
        stage.weight: stage for stage in plan.stages if stage.gate == "nonInferiority"
    }
    return [
        f"{one.metric} is not shown within its margin at {weight_text(one.weight)} "
        f"in {duration(weights[one.weight].maximum)}"
        for one in found
        if one.weight in weights and not one.reachable and (one.metric in critical or not critical)
    ]


def shut_by_buckets(plan: AnalysisPlan, slowdowns: Mapping[str, Slowdown]) -> list[str]:
    """Proof gates that wait for a latency which its buckets cannot prove."""
    counted = without_gauges(plan)
    gating = {counted.metrics[i].name for i in gating_metrics(counted)}
    weights = ", ".join(weight_text(stage.weight) for stage in plan.stages if stage.gate == "nonInferiority")
    return [
        f"{name} can never be shown within its margin at {weights} with the buckets that it has"
        for name, one in slowdowns.items()
        if weights and name in gating and not one.provable
    ]


def document(
    plan: AnalysisPlan, given: Traffic, found: Sequence[Forecast], unreachable: Sequence[str]
) -> dict[str, Any]:
    """For -o json; times in seconds, null for never."""
    return {
        "policy": plan.policy,
        "requests_per_second": given.pace,
        "stages": [
            asdict(one)
            | {
                "seconds": one.seconds if math.isfinite(one.seconds) else None,
                "evaluations": math.ceil(one.seconds / plan.interval) if math.isfinite(one.seconds) else None,
                "gate": _stage_of(plan, one).gate,
                "minimum": _stage_of(plan, one).minimum,
                "maximum": _stage_of(plan, one).maximum,
            }
            for one in found
        ],
        "slowdowns": {name: asdict(one) for name, one in given.slowdowns.items()},
        "unreachable": list(unreachable),
    }


def _stage_of(plan: AnalysisPlan, one: Forecast) -> PlanStage:
    return next(stage for stage in plan.stages if stage.weight == one.weight)


def _print(
    console: Terminal, plan: AnalysisPlan, given: Traffic, found: Sequence[Forecast], unreachable: Sequence[str]
) -> None:
    about = f"policy {plan.policy}: {given.pace:,.6g} requests a second, a snapshot every {plan.interval:g} s\n"
    console.print(Text(about))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("weight", "metric", "stable", "margin", "seen from", "gate", "opens after"):
        table.add_column(name, justify="left" if name in ("metric", "gate", "opens after") else "right", no_wrap=True)
    for one in found:
        stage = _stage_of(plan, one)
        seen = "nothing" if one.detectable_rate is None else percent(one.detectable_rate)
        row = (
            weight_text(one.weight),
            one.metric,
            percent(one.base),
            percent(one.margin),
            seen,
            stage.gate,
        )
        table.add_row(*row, _opens(plan, stage, one))
    console.print(table)
    console.print("\nseen from: a canary this bad is aborted in time, four times in five")
    for name, slow in given.slowdowns.items():
        seen = "nothing is seen" if slow.seen is None else f"a slowdown is seen from {slow.seen:.3g}× on"
        console.print(f"{name}: with its buckets {seen}, {slow.allowed:g}× is allowed")
    left_out = [m.name for m in plan.metrics if m.name not in {one.metric for one in found} | given.slowdowns.keys()]
    if left_out:
        console.print(Text(f"not forecast: {', '.join(left_out)} (durations, gauges, or no --baseline)", style="dim"))
        if any(metric.source.kind == "distribution" and metric.name in left_out for metric in plan.metrics):
            console.print(Text("serinus doctor tells what the buckets of durations show", style="dim"))
    for text in unreachable:
        console.print(Text.assemble(("unreachable:", "yellow"), f" {text}"), soft_wrap=True)
    if unreachable:
        console.print(
            "A wider margin, a longer maximum or more weight helps; or gate: noRegression, which needs no proof."
        )


def _opens(plan: AnalysisPlan, stage: PlanStage, one: Forecast) -> str:
    if stage.gate == "noRegression":
        return f"{duration(stage.minimum)}, its minimum"
    if not one.reachable:
        return f"{duration(one.seconds)}, beyond its {duration(stage.maximum)}"
    snapshots = math.ceil(one.seconds / plan.interval)
    return f"{duration(max(one.seconds, stage.minimum))} ({snapshots} snapshot{'' if snapshots == 1 else 's'})"
