"""Policies from files. A wrong one is refused with file, line, column and the way out."""

from serinus_contracts.policy import CanaryPolicy
from serinus_runtime.documents import DocumentError as PolicyError
from serinus_runtime.documents import Location, Problem, given_twice, mark_of, read

__all__ = ["Location", "PolicyError", "Problem", "given_twice", "load_text", "mark_of"]


def load_text(text: str, file: str) -> list[CanaryPolicy]:
    """The policies of one YAML text, which may hold several documents. Raises PolicyError."""
    return read(text, file, CanaryPolicy)
