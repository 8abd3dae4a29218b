"""The command as a user runs it."""

import os
import subprocess
from pathlib import Path

from tests.forked import ended

GOLDEN = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """With SERINUS_WRITE_GOLDEN=1 what is printed now is written down instead, to be looked at."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("SERINUS_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def serinus(*arguments: str, before: str = "", cwd: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`before` is Python that its process does first."""
    everything = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment}
    return ended("serinus.app:main", *arguments, environment=everything, folder=cwd, before=before)
