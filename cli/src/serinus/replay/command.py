"""The command `serinus replay`."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from serinus_collecting.ports import ProviderError
from serinus_contracts import AnalysisPlan, CanaryPolicy, MetricsCollected, Run, VerdictReached
from serinus_contracts.base import Millis, parse_duration
from serinus_contracts.weight import rounded, weight_text
from serinus_contracts.wording import clock, duration
from serinus_rollouts.stages import Stage
from serinus_runtime.clock import now_ms

from serinus import plans, timeline
from serinus.explain import bar_of
from serinus.options import ABORTED, INCONCLUSIVE, Output, Streams, fail, without_password
from serinus.provider import ProvidersFile, reached
from serinus.replay import judging, past
from serinus.replay.snapshots import Recorded, from_file, from_redis, save
from serinus.terminal import Terminal
from serinus.validate import read_rollout

_STAGE = re.compile(r"(\d+(?:\.\d+)?)(?:@(.+))?")
VerdictsByName = dict[str, list[VerdictReached]]


def replay(
    policy: Annotated[Path, typer.Argument(help="The policy's file.")],
    source: Streams,
    output: Output,
    run: Annotated[str | None, typer.Argument(help="namespace/name, the name alone, or the id of a run.")] = None,
    snapshots: Annotated[Path | None, typer.Option(help="Recorded snapshots, one JSON a line.")] = None,
    prometheus: Annotated[str | None, typer.Option(help="Take the snapshots again from this Prometheus' past.")] = None,
    providers_file: ProvidersFile = None,
    begin: Annotated[str | None, typer.Option("--from", help="2026-05-01T10:00:00Z, Unix seconds, or -2h.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="As --from.")] = None,
    canary_hash: Annotated[str | None, typer.Option(help="The canary's pod-template-hash.")] = None,
    stable_hash: Annotated[str | None, typer.Option(help="Stable's pod-template-hash.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="A weight it had, and since when: 5, then 25@TIME.")] = None,
    rollout: Annotated[Path | None, typer.Option("--rollout", "-r", help="The Rollout's manifest.")] = None,
    judge: Annotated[list[str] | None, typer.Option(help="A judge; repeat it to compare several.")] = None,
    save_to: Annotated[
        Path | None, typer.Option("--save", help="Write the snapshots to this file, for --snapshots.")
    ] = None,
    details: Annotated[bool, typer.Option("--details", help="Show every judge's evidence over time.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one query may take.")] = 10.0,
) -> None:
    """Run any policy over recorded snapshots.

    What would each judge have decided, and when? Snapshots come from a file (--snapshots), from a run in Redis (RUN),
    or from the past of a Prometheus (--prometheus, with RUN or --rollout, --from, --to, --canary-hash, --stable-hash
    and the weights as --stage). Exit codes by the first judge: 0 it passes every stage, 3 it aborts, 4 it holds.
    """
    rule = plans.read_policy(policy)
    rules = judging.judges(rule, judge or [])
    if snapshots is not None and prometheus is not None:
        fail("snapshots come from --snapshots or from --prometheus, not from both", 2)
    if prometheus is not None:
        release = _release(run, rollout, canary_hash, stable_hash)
        spans = _spans(stage or [], begin, end)
        found = _stages(rollout, spans)
        taken = _from_prometheus(rule, release, found, spans, (prometheus, providers_file, timeout))
        recorded = Recorded(taken, found)
    elif snapshots is not None:
        recorded = from_file(snapshots, run)
    elif run is not None:
        recorded = from_redis(run, source)
    else:
        fail("give snapshots: --snapshots FILE, a RUN in Redis, or --prometheus URL", 2)
    if save_to is not None:
        save(recorded.snapshots, save_to)
    made = _plans(rules, recorded, rollout)
    with _bar("judging", len(made) * len(recorded.snapshots)) as step:
        by_name = {name: judging.rejudged(plan, recorded.snapshots, step) for name, plan in made.items()}
    if output.data:
        output.document(document(recorded.snapshots, made, by_name))
    else:
        _print(output.terminal, recorded.snapshots, made, by_name, details)
    ending = _ending(next(iter(made.values())), next(iter(by_name.values())))
    if ending != "proceed":
        raise typer.Exit(ABORTED if ending == "abort" else INCONCLUSIVE)


def _plans(rules: Sequence[CanaryPolicy], recorded: Recorded, rollout: Path | None) -> dict[str, AnalysisPlan]:
    if rollout is not None:
        found = plans.of_manifest(rollout)
    else:
        found = recorded.stages or judging.stages_seen(recorded.snapshots)
    made: dict[str, AnalysisPlan] = {
        rule.spec.judge.name: plans.plan_for(rule, recorded.snapshots[0].run, found) for rule in rules
    }
    for plan in made.values():
        judging.check(plan, recorded.snapshots)
    return made


def _release(run: str | None, rollout: Path | None, canary: str | None, stable: str | None) -> Run:
    if not canary or not stable:
        fail("--prometheus needs --canary-hash and --stable-hash, to tell the arms apart", 2)
    namespace, _, name = (run or "").rpartition("/")
    if rollout is not None:
        seen = read_rollout(rollout)
        namespace, name = seen.namespace, seen.name
    if not namespace or not name:
        fail("--prometheus needs the Rollout: namespace/name as RUN, or its manifest by --rollout", 2)
    fields = {"namespace": namespace, "name": name, "canary_hash": canary, "stable_hash": stable}
    return plans.NOBODY.model_copy(update=fields)


def _spans(stages: Sequence[str], begin: str | None, end: str | None) -> list[past.Span]:
    if begin is None or end is None:
        fail("--prometheus needs --from and --to", 2)
    if not stages:
        fail("which weight did the canary have? Give --stage 10, or --stage 5 --stage 25@TIME as it went on", 2)
    now = now_ms()
    starts = [(_weight(stages[0]), _moment(begin, now, "--from"))]
    for text in stages[1:]:
        weight, at, since = text.partition("@")
        if not at:
            fail(f"--stage {text}: say since when, as {weight}@2026-05-01T10:20:00Z", 2)
        starts.append((_weight(text), _moment(since, now, f"--stage {weight}")))
    ends = [*(moment for _, moment in starts[1:]), _moment(end, now, "--to")]
    spans = [past.Span(weight, since, until) for (weight, since), until in zip(starts, ends, strict=True)]
    for span in spans:
        if span.begin >= span.end:
            what = f"the stage of {weight_text(span.weight)} would end before it begins"
            fail(f"{what}: times must grow from --from to --to", 2)
    return spans


def _weight(text: str) -> float:
    found = _STAGE.fullmatch(text)
    if found is None or float(found[1]) > 100:
        fail(f"--stage {text}: write a weight from 0 to 100, as 5, 0.5 or 25@TIME", 2)
    return rounded(float(found[1]))


def _moment(text: str, now: Millis, option: str) -> Millis:
    """Of ISO 8601 (UTC where it names no zone), Unix seconds, or a duration before now."""
    try:
        if text.startswith("-"):
            return now - round(1000 * float(str(parse_duration(text[1:]))))
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return round(1000 * float(text))
        moment = datetime.fromisoformat(text)
        return round(1000 * (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except ValueError:
        fail(f"{option} {text}: write 2026-05-01T10:00:00Z, Unix seconds, or -2h", 2)


def _stages(rollout: Path | None, spans: Sequence[past.Span]) -> tuple[Stage, ...]:
    weights = [span.weight for span in spans]
    if rollout is None:
        return plans.of_weights(weights)
    found = plans.of_manifest(rollout)
    known = [stage.weight for stage in found]
    if known[: len(weights)] != weights:
        fail(f"the Rollout goes through {', '.join(map(weight_text, known))}: --stage must follow it from the first", 2)
    return found


def _from_prometheus(
    rule: CanaryPolicy,
    release: Run,
    found: tuple[Stage, ...],
    spans: Sequence[past.Span],
    place: tuple[str, Path | None, float],
) -> Sequence[MetricsCollected]:
    plan = plans.plan_for(rule, release, found)
    url, providers_file, timeout = place

    async def taken(tell: Callable[[int], None]) -> Sequence[MetricsCollected]:
        async with reached(url, providers_file, timeout) as provider:
            return await past.taken(plan, release, spans, provider.store or provider.prometheus, timeout, tell)

    seconds = (spans[-1].end - spans[0].begin) / 1000
    try:
        with _bar("taking snapshots", max(round(seconds / plan.interval), 1)) as step:
            snapshots = asyncio.run(taken(lambda _: step()))
    except ProviderError as error:
        fail(f"{without_password(url)}: {error}")
    if not any(measured.status == "ok" for snapshot in snapshots for measured in snapshot.metrics.values()):
        shown = next(
            (one.detail for snapshot in snapshots[::-1] for one in snapshot.metrics.values() if one.detail),
            "no snapshot",
        )
        fail(f"{without_password(url)} has nothing to compare in this time: {shown}")
    return snapshots


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar where somebody snapshots at it."""
    console = Terminal(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _ending(plan: AnalysisPlan, verdicts: Sequence[VerdictReached]) -> str:
    """How a judge would have ended: abort, or proceed where it opened the gate of every stage, else hold."""
    found = judging.passed(verdicts)
    if found[-1].verdict.verdict == "abort":
        return "abort"
    opened = sum(one.verdict.verdict == "proceed" for one in found)
    return "proceed" if opened == len([one for one in found if one.stage >= 0]) else "hold"


def document(
    snapshots: Sequence[MetricsCollected], made: dict[str, AnalysisPlan], by_name: VerdictsByName
) -> dict[str, Any]:
    """For -o json."""
    return {
        "run": snapshots[0].run.id,
        "rollout": snapshots[0].run.rollout,
        "policy": next(iter(made.values())).policy,
        "judges": {
            name: {
                "ending": _ending(made[name], verdicts),
                "bar": bar_of(made[name]),
                "stages": [
                    {
                        "stage": one.stage,
                        "weight": one.weight,
                        "verdict": one.verdict.verdict,
                        "reason": one.verdict.reason,
                        "end": one.verdict.end,
                        "seconds": (one.verdict.end - one.verdict.stage_started) / 1000,
                        "evaluation": one.verdict.evaluation,
                    }
                    for one in judging.passed(verdicts)
                ],
                "evaluations": timeline.documents(verdicts),
            }
            for name, verdicts in by_name.items()
        },
    }


def _print(
    console: Terminal,
    snapshots: Sequence[MetricsCollected],
    made: dict[str, AnalysisPlan],
    by_name: VerdictsByName,
    details: bool,
) -> None:
    run, first, last = snapshots[0].run, snapshots[0], snapshots[-1]
    day = datetime.fromtimestamp(first.end / 1000, UTC).date()
    console.print(Text.assemble((run.rollout, "bold"), f" {run.canary_hash} against {run.stable_hash}"))
    span = f"{day} {clock(first.end)} to {clock(last.end)} UTC"
    console.print(f"policy {next(iter(made.values())).policy} on {len(snapshots)} snapshots, {span}\n")
    console.print(_stages_table(made, by_name))
    console.print()
    for name, verdicts in by_name.items():
        ending = _ending(made[name], verdicts)
        final = judging.passed(verdicts)[-1].verdict
        if ending == "hold":
            held = [one for one in judging.passed(verdicts) if one.verdict.verdict == "hold"]
            final = held[-1].verdict
        holds = f"holds at {weight_text(final.weight)}"
        words = {"abort": "aborts", "proceed": "passes every stage", "hold": holds}[ending]
        console.print(
            Text.assemble((f"{name} {words}", "bold"), f" at {clock(final.end)}, evaluation {final.evaluation}")
        )
        console.print(Text(f"  {final.sentence}"))
    note = "The snapshots are of the run as it was: what an earlier advance had shown is not there."
    console.print(Text(f"\nTimes are since the stage began. {note}", style="dim"))
    for name, verdicts in by_name.items() if details else ():
        console.print(Text(f"\n{name}", style="bold underline"))
        console.print(timeline.evidence(verdicts, bar_of(made[name])))


def _stages_table(made: dict[str, AnalysisPlan], by_name: VerdictsByName) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("weight", justify="right")
    for name in by_name:
        table.add_column(name)
    found = {name: {one.stage: one for one in judging.passed(verdicts)} for name, verdicts in by_name.items()}
    for stage in sorted({stage for stages in found.values() for stage in stages if stage >= 0}):
        weight = next(stages[stage].weight for stages in found.values() if stage in stages)
        table.add_row(weight_text(weight), *(_cell(stages.get(stage)) for stages in found.values()))
    return table


def _cell(one: judging.Passed | None) -> str:
    if one is None:
        return ""
    verdict = one.verdict
    after = duration((verdict.end - verdict.stage_started) / 1000)
    return f"{verdict.verdict} {after}\n{verdict.reason.replace('_', ' ')}"
