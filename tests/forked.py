"""Commands and services as processes of their own that need not import what they use: that takes them a second or two.

They are forked from a server that has imported all of it, one for each process of pytest. What begins anew in them is
what a process has of its own: environment, arguments, folder, standard streams, signals and exit code. That each also
starts with nothing imported is held by `python -m` in tests/integration and tests/system.
"""

import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from serinus.demo.processes import ManagedProcess, ProcessGroup

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A forked process, with as much of `subprocess.Popen` as a `ManagedProcess` asks for."""

    def __init__(self, work: Callable[..., object], *arguments: Any) -> None:
        self._process: ForkServerProcess = CONTEXT.Process(target=work, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGINT)


def become(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    out: Path,
    err: Path,
    before: str = "",
) -> None:
    """In the new process: run a module as `python -m` does, or a function given as `module:function`.

    `before` is Python that it does first.
    """
    os.setsid()
    os.chdir(folder)
    for number, file in ((1, out), (2, err)):
        written = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(written, number)
        os.close(written)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    exec(before, {})
    module, _, function = program.partition(":")
    if function:
        getattr(import_module(module), function)()
    else:
        runpy.run_module(module, run_name="__main__")


@contextmanager
def running(
    program: str,
    *arguments: str,
    out: Path,
    err: Path,
    environment: Mapping[str, str],
    folder: str = "",
    before: str = "",
) -> Iterator[Forked]:
    """The program until it ends, or is left."""
    here = str(Path(folder).absolute())
    process = Forked(become, program, arguments, dict(environment), here, out, err, before)
    try:
        yield process
    finally:
        process.kill()


def ended(program: str, *arguments: str, seconds: float = 150, **options: Any) -> subprocess.CompletedProcess[str]:
    """What the program said when it had ended; options are those of `running`."""
    with tempfile.TemporaryDirectory() as written:
        out, err = Path(written) / "out", Path(written) / "err"
        with running(program, *arguments, out=out, err=err, **options) as process:
            code = process.wait(seconds)
        return subprocess.CompletedProcess(
            [program, *arguments], code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        )


@dataclass
class ForkedProcess(ManagedProcess):
    """A service whose `command` is its module and arguments."""

    def start(self) -> None:
        module, *arguments = self.command
        self.log.touch()
        environment = {**os.environ, **self.environment}
        forked: Any = Forked(become, module, arguments, environment, str(Path.cwd()), self.log, self.log)
        self._process = forked


class ForkedGroup(ProcessGroup):
    """Services as the demo starts them, but forked."""

    def start(self, name: str, module: str, *arguments: str, **environment: str) -> ManagedProcess:
        child = ForkedProcess(name, [module, *arguments], environment, self.folder / f"{name}.log")
        child.start()
        self.children[name] = child
        return child


@contextmanager
def forked_group(folder: Path) -> Iterator[ForkedGroup]:
    """A group that is ended on leaving, also by an error."""
    made = ForkedGroup(folder)
    try:
        yield made
    finally:
        made.stop()
