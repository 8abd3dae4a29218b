"""Policies from files. A wrong one is refused with file, line, column and the way out."""

from pathlib import Path

from serinus_contracts.policy import CanaryPolicy
from serinus_runtime.documents import DocumentError as PolicyError
from serinus_runtime.documents import Location, Problem, given_twice, mark_of, read

__all__ = ["Location", "PolicyError", "Problem", "given_twice", "load_file", "load_text", "mark_of"]


def load_text(text: str, file: str) -> list[CanaryPolicy]:
    """The policies of one YAML text, which may hold several documents. Raises PolicyError."""
    return read(text, file, CanaryPolicy)


def load_file(file: Path) -> list[CanaryPolicy]:
    """The policies of one file. Raises PolicyError, also where it cannot be read."""
    try:
        return load_text(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError.about(str(file), str(getattr(error, "strerror", None) or error)) from error
