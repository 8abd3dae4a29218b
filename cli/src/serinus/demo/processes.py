"""The demo's processes: started together, restarted when one dies, ended together."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 6.0


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """SIGINT and SIGTERM that come meanwhile come at the end: an exception that one raises inside of Popen would leave
    a process that has begun and that nobody knows."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@dataclass
class ManagedProcess:
    """One process with its log. `restarts` counts how often it died by itself, or by somebody else's hand."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin it, in a session of its own; what it says is appended to its log."""
        with self.log.open("ab") as log, held_back():
            # Its own session, so that a Ctrl-C reaches only the demo, which ends the others in order.
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    @property
    def exited(self) -> bool:
        """Whether it has ended, by itself or by a signal."""
        return self._process is not None and self._process.poll() is not None

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        """Start it again, as an orchestrator would."""
        self.restarts += 1
        self.start()

    def stop(self) -> None:
        """SIGTERM, and after some seconds SIGKILL."""
        if self._process is None or self.exited:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL, as when a machine is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@dataclass
class ProcessGroup:
    """All processes, their logs in one folder."""

    folder: Path
    children: dict[str, ManagedProcess] = field(default_factory=dict)

    def start(self, name: str, module: str, *arguments: str, **environment: str) -> ManagedProcess:
        command = [sys.executable, "-m", module, *arguments]
        child = ManagedProcess(name, command, environment, self.folder / f"{name}.log")
        self.children[name] = child
        child.start()
        return child

    def restart_exited(self) -> list[ManagedProcess]:
        """Start again each that has exited."""
        exited = [child for child in self.children.values() if child.exited]
        for child in exited:
            child.restart()
        return exited

    def stop(self) -> None:
        """End all, the last started first; those before are told at once, so that nobody waits for another."""
        for child in reversed(self.children.values()):
            if child.running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGTERM)
        for child in reversed(self.children.values()):
            child.stop()


@contextlib.contextmanager
def process_group(folder: Path | None = None) -> Iterator[ProcessGroup]:
    """A group that is ended on leaving, also by an error."""
    made = ProcessGroup(folder or Path(tempfile.mkdtemp(prefix="serinus-demo-")))
    try:
        yield made
    finally:
        made.stop()
