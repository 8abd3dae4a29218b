"""The demo as a newcomer runs it, and what hands can do to it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.servers import wait_until

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="children are found by /proc"),
]
RELEASES = ("checkout", "payments", "cart", "search")
DEMO = [sys.executable, "-c", "from serinus.app import main; main()", "demo", "-o", "json"]


@contextmanager
def demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*DEMO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def children(process: "subprocess.Popen[str]") -> dict[str, int]:
    """The demo's processes by the module that they run."""
    found = {}
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with suppress(OSError):  # it has ended meanwhile
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            module = command[2] if len(command) > 2 and command[1] == "-m" else Path(command[0]).name
            found[module] = int(pid)
    return found


def runs(process: "subprocess.Popen[str]", module: str) -> bool:
    return module in children(process)


def passed(since: float, seconds: float) -> bool:
    return time.monotonic() - since > seconds


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_demo_ends_as_it_must_in_under_two_minutes_though_each_service_is_killed_once() -> None:
    began = time.monotonic()
    with demo() as process:
        for number, service in enumerate(("serinus_collector", "serinus_analyzer", "serinus_controller")):
            wait_until(partial(passed, began, 12 + 6 * number), 60, "its moment")
            wait_until(partial(runs, process, service), 60, f"{service} to run")
            os.kill(children(process)[service], signal.SIGKILL)
        printed, errors = process.communicate(timeout=150)
    assert process.returncode == 0, printed + errors
    assert time.monotonic() - began < 120
    result = json.loads(printed)
    assert {one["name"]: one["end"] for one in result["releases"]} == {
        "checkout": "promoted",
        "payments": "aborted",
        "cart": "aborted",
        "search": "held",
    }
    assert all(one["ledger_faults"] == [] and one["windows_checked"] > 0 for one in result["releases"])
    assert errors.count("had died and was started again") == 3


def test_the_page_whose_address_is_printed_answers_at_once_and_shows_the_runs_with_their_stages() -> None:
    with demo() as process:
        assert process.stderr is not None
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))

        def shown() -> bool:
            page = httpx.get(address, timeout=60).raise_for_status().text
            names = [f'<span class="ns">shop/</span>{name}</a>' in page for name in RELEASES]
            return all(names) and page.count('<ol class="stages"') == page.count('<li data-when="now"') == len(RELEASES)

        wait_until(shown, 60, "the runs, each with its stages")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_ctrl_c_and_sigterm_end_every_process(how: signal.Signals) -> None:
    wanted = {f"serinus_{name}" for name in ("simulator", "collector", "analyzer", "controller", "console")}
    with demo() as process:
        wait_until(lambda: wanted <= set(children(process)), 60, "all services to run")
        family = children(process)
        assert len(family) == 6, "and a Redis"
        process.send_signal(how)
        assert process.wait(60) == 130
    wait_until(lambda: not any(map(alive, family.values())), 60, "every process to have ended")
