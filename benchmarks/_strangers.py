"""Processes that know nothing of Serinus and take as much CPU as others did: what a machine alone does to a neighbour.

`python -m benchmarks._strangers SHARE` is one: it takes such a share of a core, a few milliseconds at a time.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BURST_SECONDS = 0.01


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """What each process has taken so far, and under its name with "'s children" what its children have, also those that
    have ended."""
    stats = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found = {}
    for name, pid in pids.items():
        _, own, ended = stats[pid] or (0, 0.0, 0.0)
        found[name] = own
        alive = sum(each[1] for each in stats.values() if each and each[0] == pid)
        found[f"{name}'s children"] = ended + alive
    return found


def _stat(process: Path) -> tuple[int, float, float] | None:
    """Its parent, the seconds of CPU that it took, and those of its children that have ended."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    user, system, of_children, system_of_children = (int(value) / os.sysconf("SC_CLK_TCK") for value in fields[11:15])
    return int(fields[1]), user + system, of_children + system_of_children


@contextmanager
def strangers(shares: Mapping[str, float]) -> Iterator[None]:
    """One process for each share of a core."""
    started = [
        subprocess.Popen([sys.executable, "-m", __name__, f"{share:.3f}"]) for share in shares.values() if share > 0.01
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> None:
    share, began = float(sys.argv[1]), time.monotonic()
    while time.monotonic() - began < 600:
        until = time.thread_time() + BURST_SECONDS
        while time.thread_time() < until:
            pass
        # What it did not get for want of a core it does not make up for by sleeping less than this.
        time.sleep(max(0.0, began + time.process_time() / share - time.monotonic(), 0.0005))


if __name__ == "__main__":
    main()
