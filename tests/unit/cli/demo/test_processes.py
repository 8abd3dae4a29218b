"""The demo's processes are ended with it, whenever it is told to end."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serinus.demo import processes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_process_is_being_started_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            begun.append(self)
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), processes.process_group(tmp_path) as group:
            group.start("timer", "timeit", "-n", "1", "-s", "import time", "time.sleep(600)")
    finally:
        signal.signal(number, before)
    assert [one.returncode for one in begun] == [-signal.SIGTERM]
