"""What labels show of counts that would be read as something else: status in words, requests counted twice."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from serinus_contracts import Counted, regex
from serinus_contracts.base import Arm
from serinus_contracts.plan import AnyOf
from serinus_contracts.selector import Labels, Matcher

from serinus_counting.series import Series

_NO_ANSWER = ("", "0", "000")
_MOST_SHOWN = 5
_SERVER_ERRORS = [f"5{n:02}" for n in range(100)]
_HTTP_STATUS = ["5xx", "5XX", *_SERVER_ERRORS, *[str(status) for status in range(100, 500)]]
_DIGIT = re.compile("[0-9]")
_SERVER = re.compile(r"(http|rpc)[._]server[._]")
_PORTS = ("server_port", "server.port", "net_host_port", "net.host.port")
# Scrapes and probes may be counted under one scope alone, and few counts are equal by chance.
_ALIKE = 0.9
_ENOUGH = 10


def status_in_words(source: Counted, by_arm: Mapping[Arm, Sequence[Series]]) -> str:
    """Why failures of an arm could not be told, '' where they can.

    They are asked for by HTTP status, and could have none of the values that are like those seen: all requests would
    be good.
    """
    asking = [
        (matcher, [other for other in group if other is not matcher])
        for group in source.events
        for matcher in group
        if _asks_for_status(source, matcher)
    ]
    if not asking:
        return ""
    for series in by_arm.values():
        if (seen := _unlike(source.events, asking, series)) is None:
            continue
        shown = ", ".join(f"{label}={value!r}" for label, value in seen[:_MOST_SHOWN])
        more = ", ..." if len(seen) > _MOST_SHOWN else ""
        name, label = source.query.name or "requests_total", seen[0][0]
        return (
            f"errors are told by an HTTP status of 5.., but there is {shown}{more}: write events and trials with the "
            f"values that mean a failure, such as events: '{name}{{{label}=~\"...\"}}', trials: {name}"
        )
    return ""


_Asking = Sequence[tuple[Matcher, Sequence[Matcher]]]


def _unlike(events: AnyOf, asking: _Asking, series: Sequence[Series]) -> Sequence[tuple[str, str]] | None:
    """The labels and values seen where a failure could have none that is like them, None where it could.

    Of most arms the first series tells it, so that the others are not asked.
    """
    seen = set[tuple[str, str]]()
    for one in series:
        asked = [matcher for matcher, others in asking if all(other.matches(one.labels) for other in others)]
        found = {(matcher.label, one.labels.get(matcher.label, "")) for matcher in asked}
        if any(_could_be(matcher.value, one.labels.get(matcher.label, "")) for matcher in asked):
            return None
        found = {(label, value) for label, value in found if value not in _NO_ANSWER}
        if found and _told_otherwise(events, asking, one.labels):
            return None
        seen |= found
    return sorted(seen) or None


def _asks_for_status(source: Counted, matcher: Matcher) -> bool:
    named = matcher.label in source.one_of_labels or "status" in matcher.label or "code" in matcher.label
    return named and matcher.op == "=~" and _is_of_status(matcher.value)


@lru_cache(1000)
def _is_of_status(expression: str) -> bool:
    """Whether it is for server errors by HTTP status, as 5.., 5.*, 5xx, 5[0-9]{2}, 5..|429, and names nothing else."""
    parts = expression.removeprefix("(").removesuffix(")").split("|")
    try:
        of_status = all(_one_matches(part, _HTTP_STATUS) for part in parts if part not in _NO_ANSWER)
    except ValueError:  # a bar inside of brackets, which says more than is read here
        return False
    return of_status and _one_matches(expression, ["5xx", "5XX", *_SERVER_ERRORS])


def _one_matches(expression: str, values: Iterable[str]) -> bool:
    regex.check(expression)
    return any(regex.full_match(expression, value) for value in values)


def _could_be(expression: str, value: str) -> bool:
    """Whether the expression matches this value, or one that differs from it by its first number alone."""
    if regex.full_match(expression, value):
        return True
    return _DIGIT.search(value) is not None and _like(expression, _DIGIT.sub("0", value))


@lru_cache(1000)
def _like(expression: str, shape: str) -> bool:
    number = re.search("0{1,3}", shape)
    assert number is not None, "only what holds a digit is asked"
    before, after = shape[: number.start()], shape[number.end() :]
    return _one_matches(expression, {before + error[: len(number[0])] + after for error in _SERVER_ERRORS})


def _told_otherwise(events: AnyOf, asking: _Asking, labels: Labels) -> bool:
    """Whether a group is for series like this one, as one for gRPC by its protocol, whatever value failed."""
    asked = {matcher.key for matcher, _ in asking}
    named = {matcher.label for matcher, _ in asking}
    for group in events:
        others = [matcher for matcher in group if matcher.label not in named]
        by_status = any(matcher.key in asked for matcher in group)
        if others and not by_status and all(matcher.matches(labels) for matcher in others):
            return True
    return False


def counted_twice(series: Iterable[Series]) -> str:
    """Why requests may be counted more than once, '' where that is not seen: under several instrumentation scopes of
    one process, each of which counts each."""
    found: dict[object, dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    for one in series:
        if scope := one.labels.get("otel_scope_name"):
            found[one.target, one.labels.get("__name__", "")][scope].append(one)
    for scopes in found.values():
        for one_scope, other in combinations(sorted(scopes), 2):
            if _alike(scopes[one_scope], scopes[other]):
                return (
                    f"a process counts under several scopes, {one_scope}, {other}, which may each hold all requests: "
                    "turn one instrumentation off, or leave it out by source.exclude, "
                    f"'{{otel_scope_name!=\"{one_scope}\"}}'; if each counts others, give each a metric of its own by "
                    f"its otel_scope_name"
                )
    return ""


def _alike(one: Sequence[Series], other: Sequence[Series]) -> bool:
    """Whether two scopes may count the same requests: those of one port, or as many of the same labels or of a server,
    where labels may stand under each other's names (findings/opentelemetry-python-two-scopes.sh)."""
    ports, others = _values(one, _PORTS), _values(other, _PORTS)
    server = _SERVER.match(one[0].labels.get("__name__", "")) is not None
    if server and ports and others:
        return not ports.isdisjoint(others)
    if not server and _without_scopes(one).isdisjoint(_without_scopes(other)):
        return False
    fewer, more = sorted([sum(each.values[-1] for each in members) for members in (one, other)])
    return more >= _ENOUGH and fewer >= _ALIKE * more


def _values(series: Sequence[Series], names: Sequence[str]) -> set[str]:
    return {value for one in series for name in names if (value := one.labels.get(name))}


def _without_scopes(series: Sequence[Series]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset([pair for pair in one.labels.items() if not pair[0].startswith("otel_scope_")]) for one in series}
