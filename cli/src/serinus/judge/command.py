"""The command `serinus judge`."""

import logging
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from serinus_collecting.ports import ProviderError
from serinus_contracts import Matcher, Run
from serinus_contracts.base import parse_duration
from serinus_contracts.wording import clock
from serinus_rollouts.resolve import UnfitPolicyError
from serinus_runtime.clock import now_ms

from serinus import plans
from serinus.cluster import run as run_to_the_end
from serinus.doctor.provider import PrometheusOption
from serinus.judge import show
from serinus.judge.arms import OverlapError, TwoArms, matchers, shown
from serinus.judge.judgement import Judgement
from serinus.judge.ready import Asked, NothingToJudgeError, Ready, ready
from serinus.judge.record import Record
from serinus.judge.session import Session
from serinus.options import USAGE, Output, fail
from serinus.provider import ADDRESS, ProvidersFile, ReachedProvider, reached
from serinus.terminal import Terminal


class Form(StrEnum):
    """Of what is printed."""

    text = "text"
    json = "json"
    yaml = "yaml"
    junit = "junit"
    github = "github"


class GateChoice(StrEnum):
    """What is asked of the canary (docs/reference/policy.md)."""

    no_regression = "noRegression"
    non_inferiority = "nonInferiority"


@dataclass(frozen=True, kw_only=True)
class JudgeOutput(Output):
    """How to print a judgement."""

    output: Annotated[
        Form,
        typer.Option(
            "--output", "-o", help="json, yaml and junit are for programs; github writes a job summary and outputs too."
        ),
    ] = Form.text  # type: ignore[assignment] # two values more

    @property
    def data(self) -> bool:
        """Whether a program reads it."""
        return self.output in ("json", "yaml", "junit")


CanaryOption = Annotated[str, typer.Option("--canary", help="Labels of the new version's series, as 'version=\"v2\"'.")]
StableOption = Annotated[str, typer.Option("--stable", help="Labels of the series to compare with.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", help="A policy's file; else errors and latency, by the metrics that are there."),
]
ForOption = Annotated[
    str | None, typer.Option("--for", help="How long at most, as 15m; else the policy's maximum, without one 15m.")
]


def judge(
    canary: CanaryOption,
    stable: StableOption,
    output: JudgeOutput,
    prometheus: PrometheusOption = ADDRESS,
    providers_file: ProvidersFile = None,
    policy: PolicyOption = None,
    most: ForOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on after a proceed, until --for or Ctrl-C; an abort ends it.")
    ] = False,
    weight: Annotated[
        float | None,
        typer.Option(min=0.1, max=99.9, help="The canary's percent of the traffic: another split is a hold."),
    ] = None,
    gate: Annotated[
        GateChoice | None,
        typer.Option(help="What a proceed takes; else as the policy, without one nonInferiority."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called; else as the policy.")] = None,
    record_to: Annotated[
        Path | None, typer.Option("--record", help="Add the report to this file, for serinus report --from.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one query may take.")] = 10.0,
) -> None:
    """Compare any two sets of series live, without cluster and Redis.

    Ends at the first verdict: proceed 0, abort 3. Undecided when --for is over, or without data: 4.
    """
    canary_labels, stable_labels = _matchers("--canary", canary), _matchers("--stable", stable)
    if {one.key for one in canary_labels} == {one.key for one in stable_labels}:
        fail(f"--canary and --stable are the same: {canary}", USAGE)
    seconds = None if most is None else _seconds(most)
    rule = plans.read_policy(policy) if policy else None
    if record_to is not None:
        _writable(record_to)
    began = now_ms()
    run = Run(
        cluster="judge",
        namespace="judge",
        name=name or (rule.metadata.name if rule else "canary"),
        uid=str(began),
        canary_hash=shown(canary_labels),
        stable_hash=shown(stable_labels),
        attempt=1,
    )
    asked = Asked(run, rule, weight, seconds, follow, gate.value if gate else None)
    # What it logs is for operators of a collector; here the verdicts say it.
    logging.getLogger("serinus_collecting").setLevel(logging.CRITICAL)
    console = Terminal(stderr=output.data)
    # None before there are series: what is interrupted then has nothing to show.
    judgements = list[Judgement]()

    async def judged() -> None:
        async with reached(prometheus, providers_file, timeout) as provider:
            arms = TwoArms(provider.promql(), canary_labels, stable_labels)
            prepared = await _prepared(arms, asked, provider, console)
            plan, start = prepared.plan, now_ms()
            screen = show.Screen(run.name, run.canary_hash, run.stable_hash, provider.shown, plan, start)
            judgement = Judgement(output, record_to, console, screen, Record(run, plan, start))
            judgements.append(judgement)
            session = Session(
                plan,
                run,
                arms,
                plan.stages[0].maximum,
                timeout,
                scrape_ms=prepared.scrape_ms,
                told_weight=weight is not None,
            )
            await judgement.follow(session, follow)

    def interrupted() -> None:
        for judgement in judgements:
            judgement.interrupted()

    signal.signal(signal.SIGTERM, _interrupt)
    run_to_the_end(judged(), interrupted)
    (judgement,) = judgements
    judgement.conclude()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _matchers(option: str, text: str) -> tuple[Matcher, ...]:
    try:
        return matchers(text)
    except ValueError as error:
        fail(f"{option} {error}", USAGE)


def _seconds(text: str) -> float:
    try:
        seconds = float(str(parse_duration(text)))
    except ValueError as error:
        fail(f"--for: {error}", USAGE)
    if seconds <= 0:
        fail("--for: give a time above 0, as 15m", USAGE)
    return seconds


def _writable(file: Path) -> None:
    """Known before anything is judged, not after."""
    try:
        file.open("a", encoding="utf-8").close()
    except OSError as error:
        fail(f"--record {file}: {error.strerror}", USAGE)


async def _prepared(arms: TwoArms, asked: Asked, provider: ReachedProvider, console: Terminal) -> Ready:
    """The plan, once there are series; ends the command where there are none."""

    def wait(text: str) -> None:
        console.print(Text(f"{clock(now_ms())}  {text}"), soft_wrap=True)

    try:
        prepared = await ready(arms, asked, wait)
    except NothingToJudgeError as error:
        fail(str(error))
    except (UnfitPolicyError, OverlapError) as error:
        fail(str(error), USAGE)
    except ProviderError as error:
        fail(f"{provider.shown}: {error}\nGive the address of Prometheus by --prometheus.")
    for text in prepared.notes:
        Terminal(stderr=True).print(show.note(text), soft_wrap=True)
    return prepared
