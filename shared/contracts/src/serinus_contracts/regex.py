"""Regular expressions of Prometheus, by the engine that Prometheus' own language is: linear in the text (ADR 73).

Python's `re` goes back over a text, so a pattern of a few characters can take hours on a label of forty.
"""

from functools import lru_cache

import re2

MAX_PATTERN_LENGTH = 2000
# Compiling takes milliseconds beyond it. Matching gets more: with few states a long text is read slowly.
_MAX_PROGRAM_BYTES = 1 << 16
_MAX_STATES_BYTES = 1 << 20


def _options(most_bytes: int) -> "re2.Options":
    made = re2.Options()
    made.max_mem = most_bytes
    made.log_errors = False
    made.dot_nl = True  # Prometheus lets a dot stand for a line break too
    return made


_CHECKING, _MATCHING = _options(_MAX_PROGRAM_BYTES), _options(_MAX_STATES_BYTES)


def check(pattern: str) -> None:
    """Raises ValueError, saying why, for a pattern that Prometheus would refuse or that is too large."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ValueError(f"a regular expression has at most {MAX_PATTERN_LENGTH} characters, this one {len(pattern)}")
    try:
        _checked(pattern)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "unknown"
        raise ValueError(f"{pattern!r} is not a valid regular expression (RE2, as in Prometheus): {reason}") from None


@lru_cache(maxsize=16_384)
def full_match(pattern: str, text: str) -> bool:
    """Whether the pattern matches the whole text. Kept, since all series of a pod ask the same."""
    return _compiled(pattern).fullmatch(text) is not None


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches somewhere in the text, as Go's MatchString says. Raises ValueError as `check`."""
    check(pattern)
    return _compiled(pattern).search(text) is not None


@lru_cache(maxsize=1024)
def _checked(pattern: str) -> None:
    re2.compile(pattern, _CHECKING)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "re2._Regexp":
    return re2.compile(pattern, _MATCHING)
