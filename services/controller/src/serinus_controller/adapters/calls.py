"""What the scripts are called with: fields in the order in which each unpacks them at its top.

A test holds the two equal. What a script takes beyond its arguments comes after them: fields of an entry or a hash.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from serinus_contracts.base import Millis


class AttemptKeys(NamedTuple):
    attempt_key: str


class AttemptArgs(NamedTuple):
    read: bytes | str
    attempt: str
    attempt_seconds: int


class ConstantKeys(NamedTuple):
    run_key: str
    due_key: str
    plan_key: str
    attempt_key: str


class ConstantArgs(NamedTuple):
    run: str
    version: str
    stage_started: Millis
    constant_until: Millis
    plan_seconds: int
    attempt_seconds: int


class LeadKeys(NamedTuple):
    term_key: str
    memory_key: str


class LeadArgs(NamedTuple):
    generation: str
    written: int
    new_generation: str


class ObserveKeys(NamedTuple):
    run_key: str
    due_key: str
    rollouts_key: str
    plan_key: str
    story_key: str
    attempt_key: str


class ObserveArgs(NamedTuple):
    run: str
    version: str
    observed: str
    stage_started: Millis
    constant_until: Millis | str
    due_in: int
    plan: bytes
    most_entries: int
    plan_seconds: int
    digest: str
    planned: str
    staged: str
    story_seconds: int
    attempt_seconds: int
    namespace: str


class RememberKeys(NamedTuple):
    control_key: str
    term_key: str
    story_key: str
    memory_key: str


class RememberArgs(NamedTuple):
    term: int
    generation: str
    written: int
    control_seconds: int
    chapter: str
    story_seconds: int


class RetireKeys(NamedTuple):
    run_key: str
    due_key: str
    rollouts_key: str
    control_key: str
    evidence_key: str
    story_key: str
    ended_key: str
    attempt_key: str
    window_key: str


class RetireArgs(NamedTuple):
    run: str
    outcome: str
    observed: str
    chapter: str
    name: str
    now: Millis
    run_seconds: int
    story_seconds: int
    attempt_seconds: int
    most_entries: int


class TellKeys(NamedTuple):
    control_key: str
    decisions_key: str
    term_key: str
    story_key: str
    memory_key: str


class TellArgs(NamedTuple):
    term: int
    generation: str
    written: int
    event: str
    dedupe_key: str
    ends_intent: int
    control_seconds: int
    most_entries: int
    chapter: str
    story_seconds: int


CALLS: Mapping[str, tuple[type[tuple[Any, ...]], type[tuple[Any, ...]]]] = {
    "attempt": (AttemptKeys, AttemptArgs),
    "constant": (ConstantKeys, ConstantArgs),
    "lead": (LeadKeys, LeadArgs),
    "observe": (ObserveKeys, ObserveArgs),
    "remember": (RememberKeys, RememberArgs),
    "retire": (RetireKeys, RetireArgs),
    "tell": (TellKeys, TellArgs),
}
"""Keys and arguments of each script, by its name."""


def pairs(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Names and values of an entry or a hash, one after the other, as a script takes them."""
    return tuple(part for pair in fields.items() for part in pair)
