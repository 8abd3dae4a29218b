"""The command `serinus judge`."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text
from serinus_collecting.ports import ProviderError
from serinus_contracts import Matcher, Run, VerdictReached
from serinus_contracts.base import Millis, parse_duration
from serinus_contracts.report import Report
from serinus_contracts.wording import clock
from serinus_rollouts.resolve import UnfitPolicyError
from serinus_runtime.clock import now_ms

from serinus import plans
from serinus.cluster import run as run_to_the_end
from serinus.doctor.provider import PrometheusOption
from serinus.judge import forms, show
from serinus.judge.arms import OverlapError, TwoArms, matchers, shown
from serinus.judge.ready import Asked, NothingToJudgeError, Ready, ready
from serinus.judge.record import Record
from serinus.judge.session import Session
from serinus.kept import append_report
from serinus.options import ABORTED, ERROR, INCONCLUSIVE, USAGE, Output, fail
from serinus.provider import ADDRESS, ProvidersFile, ReachedProvider, reached
from serinus.terminal import Terminal, say

CODES = {"proceed": 0, "abort": ABORTED, "hold": INCONCLUSIVE}
REDRAW_SECONDS = 1.0


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
    judgement = Judgement(output, record_to)

    async def judged() -> None:
        async with reached(prometheus, providers_file, timeout) as provider:
            arms = TwoArms(provider.promql(), canary_labels, stable_labels)
            found = await judgement.prepared(arms, asked, provider)
            session = Session(
                found.plan,
                run,
                arms,
                found.plan.stages[0].maximum,
                timeout,
                scrape_ms=found.scrape_ms,
                told_weight=weight is not None,
            )
            await judgement.follow(session, follow)

    signal.signal(signal.SIGTERM, _interrupt)
    run_to_the_end(judged(), judgement.interrupted)
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


@dataclass
class Judgement:
    """What is shown and kept of a session."""

    output: JudgeOutput
    record_to: Path | None
    screen: show.Screen | None = None
    record: Record | None = None
    _console: Terminal = field(init=False)
    _said: str = ""
    _unwritten: bool = False

    def __post_init__(self) -> None:
        self._console = Terminal(stderr=self.output.data)

    async def prepared(self, arms: TwoArms, asked: Asked, provider: ReachedProvider) -> Ready:
        """The plan, once there are series; ends the command where there are none."""
        try:
            found = await ready(arms, asked, self._wait)
        except NothingToJudgeError as error:
            fail(str(error))
        except UnfitPolicyError as error:
            fail(str(error), USAGE)
        except OverlapError as error:
            fail(str(error), USAGE)
        except ProviderError as error:
            fail(f"{provider.shown}: {error}\nGive the address of Prometheus by --prometheus.")
        for text in found.notes:
            Terminal(stderr=True).print(show.note(text), soft_wrap=True)
        began = now_ms()
        run = asked.run
        self.screen = show.Screen(run.name, run.canary_hash, run.stable_hash, provider.shown, found.plan, began)
        self.record = Record(run, found.plan, began)
        return found

    async def follow(self, session: Session, on: bool) -> None:
        """Take in verdicts until one ends it, and show them. `on`: a proceed does not."""
        assert self.screen is not None
        assert self.record is not None
        if not self._console.is_terminal:
            for line in self.screen.head():
                self._console.print(line, soft_wrap=True)
            await self._taken(session, on, show.Lines())
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as screen:
            drawing = asyncio.create_task(self._draw(screen))
            try:
                await self._taken(session, on, None)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)

    async def _taken(self, session: Session, on: bool, lines: show.Lines | None) -> None:
        assert self.record is not None
        async for verdict in session.verdicts(self.record.began):
            self.record.add(verdict)
            for line in lines.of(verdict, now_ms()) if lines else ():
                self._console.print(line, soft_wrap=True)
            if verdict.verdict == "abort" or (verdict.verdict == "proceed" and not on):
                return

    async def _draw(self, screen: Live) -> None:
        assert self.screen is not None
        assert self.record is not None
        while True:
            screen.update(self.screen.live(self.record.last, now_ms()), refresh=True)
            await asyncio.sleep(REDRAW_SECONDS)

    def _wait(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._console.print(Text(f"{clock(now_ms())}  {text}"), soft_wrap=True)

    def interrupted(self) -> None:
        """Ctrl-C, or a job that is cancelled."""
        self._end(interrupted=True)

    def conclude(self) -> None:
        """The end, with its exit code."""
        last = self._end(interrupted=False)
        code = CODES[last.verdict] if last else INCONCLUSIVE
        # What was judged is not lost with a file; only who waits for a proceed gets none without what it is to write.
        raise typer.Exit(code or (ERROR if self._unwritten else 0))

    def _end(self, *, interrupted: bool) -> VerdictReached | None:
        """Show and keep what was found."""
        if self.screen is None or self.record is None:
            return None
        ended: Millis = now_ms()
        last = self.record.last
        took = (ended - self.screen.began) / 1000
        self._console.print(show.summary(self.screen, last, took, interrupted))
        report = self.record.report(ended)
        if report is None:
            return last
        with self._tried():
            if self.output.output == "junit":
                sys.stdout.write(forms.junit(report))
            elif self.output.output == "github":
                say(forms.github_annotation(report))
            elif self.output.data:
                self.output.document(document(report))
        if self.output.output == "github":
            with self._tried():
                forms.github_outputs(report)
            with self._tried():
                forms.github_summary(report, ended)
        if self.record_to is not None:
            with self._tried():
                append_report(report, self.record_to)
        return last

    @contextmanager
    def _tried(self) -> Iterator[None]:
        """What cannot be written is said, and keeps nothing else from being written."""
        try:
            yield
        except OSError as error:
            self._unwritten = True
            text = f" {error.filename or 'standard output'}: {error.strerror or error}"
            Terminal(stderr=True).print(Text.assemble(("error:", "red"), text), soft_wrap=True)


def document(report: Report) -> dict[str, Any]:
    """For -o json and yaml: what a script asks for first, then the whole report."""
    return {
        "verdict": report.concluded,
        "why": report.why,
        "canary": report.run.canary_hash,
        "stable": report.run.stable_hash,
        "evaluations": report.evaluations,
        "evaluated_requests": report.evaluated_requests,
        "report": report.model_dump(mode="json", exclude_none=True),
    }
