"""The command: policy to stdout, everything else to stderr, so that it can be redirected into a file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from serinus_runtime.documents import DocumentError

from serinus.import_.convert import Imported, convert
from serinus.import_.manifests import read
from serinus.options import INCONCLUSIVE, Output, fail
from serinus.terminal import Terminal


class Mode(StrEnum):
    """The mode of the policy that is written."""

    shadow = "shadow"
    guard = "guard"
    enforce = "enforce"


Files = Annotated[list[Path], typer.Argument(help="The Rollout's manifest and those of its AnalysisTemplates.")]
ModeOption = Annotated[Mode, typer.Option(help="guard fits the Rollout as it is; enforce needs the gates of the diff.")]


def import_(files: Files, output: Output, mode: ModeOption = Mode.guard) -> None:
    """Convert a Rollout and its AnalysisTemplates into a policy.

    It is judged by Argo's rules, with every number kept, and printed as YAML, with -o json beside the notes on it.
    Tells how the steps would change so that verdicts advance the weight, and what a policy cannot express.
    Exit codes: 0 all is expressed, 1 no policy comes of it, 4 something that Argo judges is left out.
    """
    try:
        made = convert(read(files), mode.value)
    except DocumentError as error:
        fail(str(error))
    except RecursionError:
        fail("the manifests are nested too deeply, or refer to themselves")
    if output.output == "json":
        lost = [str(problem) for problem in made.report.lost]
        document = {"policy": made.policy, "steps": made.steps, "diff": made.diff}
        output.document(document | {"not_expressed": lost, "notes": made.report.notes})
    else:
        sys.stdout.write(yaml.dump(made.policy, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True))
        sys.stdout.flush()
        _tell(made, mode)
    if made.report.lost:
        raise typer.Exit(INCONCLUSIVE)


class _Dumper(yaml.SafeDumper):
    """Writes as a person does: queries line by line, weights in one."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, all(isinstance(item, int) for item in items))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def _tell(made: Imported, mode: Mode) -> None:
    console = Terminal(stderr=True, soft_wrap=True)
    if made.diff:
        purpose = "are needed, as" if mode is Mode.enforce else "would be needed for --mode enforce, where"
        console.print(f"These steps {purpose} a verdict can open a gate only at `pause: {{}}`:", style="bold")
        for line in made.diff.splitlines():
            console.print(line, style={"+": "green", "-": "red"}.get(line[:1], ""))
    if made.report.lost:
        console.print("Not expressed, so no longer judged:", style="bold")
    for problem in made.report.lost:
        console.print(f"{problem}")
    for note in made.report.notes:
        console.print(f"note: {note}")
