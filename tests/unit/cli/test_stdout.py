"""What becomes of a command whose output nobody takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "from serinus.app import main; main()"
EXAMPLES = Path(__file__).parents[3] / "examples"


def ended(target: int, *arguments: str) -> tuple[int, str]:
    """Exit code and what was said, of a command that prints to this file descriptor."""
    shown = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=target,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return shown.returncode, shown.stderr


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("validate", str(EXAMPLES / "policy.yaml"))])
def test_a_command_whose_reader_has_gone_ends_quietly_with_the_exit_code_of_sigpipe(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert ended(writing, *arguments) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_output_that_cannot_be_written_is_an_error_that_names_it() -> None:
    with Path("/dev/full").open("wb") as full:
        assert ended(full.fileno(), "version") == (1, "error: standard output: No space left on device\n")
