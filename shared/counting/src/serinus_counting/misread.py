"""What labels show of counts that would be read as something else: status in words, requests counted twice."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from serinus_contracts import Counted
from serinus_contracts.base import Arm
from serinus_contracts.plan import AnyOf, any_of
from serinus_contracts.selector import Labels, Matcher

from serinus_counting.series import Series

_HTTP_STATUS = re.compile(r"[1-5]([0-9]{2}|xx)", re.IGNORECASE)
# An expression for server errors, as people write it: 5.., 5.*, 5xx, 5[0-9]{2}, 5\d\d, each with more after it.
_SERVER_ERRORS = re.compile(r"\(?5[.x\[\\]", re.IGNORECASE)
_NO_ANSWER = ("", "0", "000")
_MOST_SHOWN = 5


def status_in_words(source: Counted, by_arm: Mapping[Arm, Sequence[Series]]) -> str:
    """Why failures of an arm could not be told, '' where they can.

    They are asked for by HTTP status, and no value of the labels that are asked is one: all requests would be good.
    """
    asked = {matcher.label for group in source.events for matcher in group if _asks_for_status(source, matcher)}
    if not asked:
        return ""
    for series in by_arm.values():
        if any(_told(source, asked, one.labels) for one in series):
            continue
        trials = [one.labels for one in series if any_of(source.trials, one.labels)]
        seen = sorted({(label, labels.get(label, "")) for labels in trials for label in asked})
        seen = [(label, value) for label, value in seen if value not in _NO_ANSWER]
        if not seen or any(_told_otherwise(source.events, asked, labels) for labels in trials):
            continue
        shown = ", ".join(f"{label}={value!r}" for label, value in seen[:_MOST_SHOWN])
        more = ", ..." if len(seen) > _MOST_SHOWN else ""
        name, label = trials[0].get("__name__", "requests_total"), seen[0][0]
        return (
            f"errors are told by an HTTP status of 5.., but there is {shown}{more}: write events and trials with the "
            f"values that mean a failure, such as events: '{name}{{{label}=~\"...\"}}', trials: {name}"
        )
    return ""


def _asks_for_status(source: Counted, matcher: Matcher) -> bool:
    named = matcher.label in source.one_of_labels or "status" in matcher.label or "code" in matcher.label
    return named and matcher.op == "=~" and _SERVER_ERRORS.match(matcher.value) is not None


def _told(source: Counted, asked: set[str], labels: Labels) -> bool:
    """Whether it is a trial with an HTTP status; of most arms the first series is, so that the others are not asked."""
    status = any(_HTTP_STATUS.fullmatch(labels.get(label, "")) for label in asked)
    return status and any_of(source.trials, labels)


def _told_otherwise(events: AnyOf, asked: set[str], labels: Labels) -> bool:
    """Whether a group is for series like this one, as one for gRPC by its protocol, whatever value failed."""
    for group in events:
        others = [matcher for matcher in group if matcher.label not in asked]
        if others and all(matcher.matches(labels) for matcher in others):
            return True
    return False


def counted_twice(series: Iterable[Series]) -> str:
    """Why requests are counted more than once, '' where that is not seen: under several instrumentation scopes of one
    process, each of which counts each."""
    scopes: dict[object, set[str]] = defaultdict(set)
    for one in series:
        if scope := one.labels.get("otel_scope_name"):
            scopes[one.target, one.labels.get("__name__")].add(scope)
    for found in scopes.values():
        if len(found) > 1:
            return (
                f"a process counts under several scopes, {', '.join(sorted(found))}, each request once under each: "
                "turn all but one instrumentation off, or leave them out by source.exclude, "
                f"'{{otel_scope_name!=\"{min(found)}\"}}'"
            )
    return ""
