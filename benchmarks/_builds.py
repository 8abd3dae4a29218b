"""Two builds of Serinus beside each other: this one, and one of another commit with what its own lock names.

They are driven by what is public alone: commands, processes with their environment, streams, pages. What a build makes
in a form of its own, such as a plan, it makes itself (`Build.made`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._analyzing import Process
from benchmarks._looks import Looks
from benchmarks._plans import six_metrics

ROOT = Path(__file__).parents[1]
_PLAN = (
    "import json; from benchmarks._plans import six_metrics; plan = six_metrics()\n"
    "print(json.dumps([plan.digest, plan.canonical.decode()]))"
)


class NotComparableError(Exception):
    """A build does not have, or does not do, what is measured."""


@dataclass(frozen=True)
class Build:
    """A checkout and the Python of its environment."""

    name: str
    folder: Path
    python: Path

    def start(self, module: str, log: Path, **environment: str) -> Process:
        """A service of it as a process."""
        return Process(module, log, environment, python=str(self.python), folder=self.folder)

    def made(self, program: str, *arguments: str) -> Any:
        """What a short program prints as JSON, run in the checkout. Raises NotComparableError where it fails."""
        command = [str(self.python), "-c", program, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise NotComparableError(f"{self.name}: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")
        return json.loads(done.stdout)

    @cached_property
    def snapshots(self) -> Looks:
        """The same for each build, under the plan as this one has it."""
        digest, canonical = self.made(_PLAN)
        return Looks(six_metrics()).under(digest, canonical)

    def command(self, *arguments: str, **environment: str) -> float:
        """Seconds of CPU of a command of `serinus`. Raises NotComparableError where it fails."""
        command = [str(self.python.parent / "serinus"), *arguments]
        nothing: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        process = subprocess.Popen(command, env=os.environ | environment, **nothing)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise NotComparableError(f"{self.name}: serinus {' '.join(arguments)} ends with {process.returncode}")
        return used.ru_utime + used.ru_stime


@contextmanager
def builds(base: str) -> Iterator[tuple[Build, Build]]:
    """The base, checked out into a folder that goes away and installed there, and what stands here.

    Raises SystemExit where there is no such commit, or it cannot be installed.
    """
    parse = ["git", "rev-parse", "--short", "--verify", f"{base}^{{commit}}"]
    resolved = subprocess.run(parse, cwd=ROOT, capture_output=True, text=True)
    if resolved.returncode:
        raise SystemExit(f"--base {base}: no commit of this repository ({resolved.stderr.strip()})")
    with TemporaryDirectory(prefix="serinus-base-") as name:
        folder, commit = Path(name), resolved.stdout.strip()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", name], input=archive.stdout, check=True)
        installed = subprocess.run(["make", "-s", "install"], cwd=folder, capture_output=True, text=True)
        if installed.returncode:
            raise SystemExit(f"{commit} cannot be installed: {installed.stderr.strip()[-1000:]}")
        yield Build(commit, folder, folder / ".venv/bin/python"), Build("this", ROOT, Path(sys.executable))
