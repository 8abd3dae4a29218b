"""The command as a user runs it."""

import os
import subprocess
import sys


def serinus(*arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`before` is Python that its process does first."""
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom serinus.app import main; main()", *arguments],
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
