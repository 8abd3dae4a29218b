"""The part of PromQL that a collector needs: a selector, alone or over a range, and sums at regular moments.

`name{label="value",other=~"a|b"}[5m]`, with the name also as a matcher of `__name__`, and `sum by (label)
(name{label="value"})[24h:5m]`. Names may be quoted, `{"metric.name","label.name"="value"}`, as since Prometheus 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from serinus_simulator.prometheus.series import quote

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<operator>=~|!~|!=|=)|(?P<mark>[{}\[\],()])
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?P<duration>\d[0-9a-z]*(?::\d[0-9a-z]*)?)|(?P<other>\S))""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class ParseError(Exception):
    """A query that is none; its text says where, as Prometheus does."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label. `values` are all that can match, where they can be told."""

    label: str
    operator: str
    value: str
    values: frozenset[str] | None = field(compare=False)
    test: Callable[[str], bool] = field(compare=False)


@dataclass(frozen=True)
class Selector:
    """What a query asks for. `milliseconds` is None for an instant.

    With `step`, in milliseconds too, it is a subquery: the value at each multiple of the step, summed up by the labels
    `by`, or with None as it is.
    """

    matchers: tuple[Matcher, ...]
    milliseconds: int | None
    step: int | None = None
    by: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@lru_cache(maxsize=1024)
def parse(query: str, *, quoted_names: bool = True) -> Selector:
    """Raises ParseError; without `quoted_names` also for those, as a Prometheus before 3."""
    return _Parser(query, quoted_names).parse()


class _Parser:
    def __init__(self, query: str, quoted_names: bool) -> None:
        self._query = query
        self._quoted_names = quoted_names
        self._tokens: list[_Token] = []
        position = 0
        while (found := _TOKEN.match(query, position)) is not None:
            kind = str(found.lastgroup)
            self._tokens.append(_Token(kind, found[kind], found.start(kind)))
            position = found.end()
        self._next = 0

    def parse(self) -> Selector:
        if not self._tokens:
            raise ParseError("1:1: parse error: no expression found in input")
        by = self._sum()
        matchers = self._matchers()
        if by is not None:
            self._expect(")", "in aggregation")
        milliseconds, step = self._range() if self._mark("[") else (None, None)
        if (rest := self._peek()) is not None or (by is not None and step is None):
            raise self._unexpected("", rest)
        return Selector(tuple(matchers), milliseconds, step, by)

    def _sum(self) -> tuple[str, ...] | None:
        """The labels of `sum by (...) (`, None where the query does not begin like that."""
        if [token.text for token in self._tokens[:3]] != ["sum", "by", "("]:
            return None
        self._next = 3
        labels = []
        while not self._mark(")"):
            label = self._label()
            if label is None:
                raise self._unexpected("in grouping opts, expected label", self._peek())
            labels.append(label)
            if not self._mark(","):
                self._expect(")", "in grouping opts")
                break
        self._expect("(", "in aggregation")
        return tuple(labels)

    def _matchers(self) -> list[Matcher]:
        first = self._peek()
        matchers: list[Matcher] = []
        name = self._take("name")
        if name is not None:
            matchers.append(_matcher("__name__", "=", name.text, self))
        if self._mark("{"):
            while not self._mark("}"):
                matchers.append(self._matcher())
                if not self._mark(","):
                    self._expect("}", "in label matching")
                    break
        elif name is None:
            raise self._unexpected("", self._peek())
        names = [one.value for one in matchers if one.label == "__name__" and one.operator == "="]
        if len(names) > 1:
            raise self.error(f'metric name must not be set twice: "{names[0]}" or "{names[1]}"', first)
        if all(matcher.test("") for matcher in matchers):
            raise self.error("vector selector must contain at least one non-empty matcher", first)
        return matchers

    def error(self, message: str, token: _Token | None) -> ParseError:
        position = len(self._query) if token is None else token.position
        line = self._query.count("\n", 0, position) + 1
        column = position - (self._query.rfind("\n", 0, position) + 1) + 1
        return ParseError(f"{line}:{column}: parse error: {message}")

    def _matcher(self) -> Matcher:
        quoted = (first := self._peek()) is not None and first.kind == "string"
        label = self._label()
        if label is None:
            raise self._unexpected('in label matching, expected identifier or "}"', self._peek())
        operator = self._take("operator")
        if operator is None and quoted:
            return _matcher("__name__", "=", label, self)
        if operator is None:
            raise self._unexpected("in label matching, expected label matching operator", self._peek())
        value = self._take("string")
        if value is None:
            raise self._unexpected("in label matching, expected string", self._peek())
        return _matcher(label, operator.text, _unquoted(value.text), self)

    def _label(self) -> str | None:
        """A label's name, or a metric's in quotes."""
        token = self._take("name") or (self._take("string") if self._quoted_names else None)
        if token is None:
            return None
        if token.kind == "name":
            return token.text
        name = _unquoted(token.text)
        if not name:
            raise self.error('invalid label name for grouping or matching: ""', token)
        return name

    def _range(self) -> tuple[int, int | None]:
        token = self._take("duration")
        if token is None:
            raise self._unexpected("in subquery or range, expected duration", self._peek())
        reach, _, step = token.text.partition(":")
        found = self._duration(reach, token), self._duration(step, token) if step else None
        self._expect("]", "in range")
        return found

    def _duration(self, text: str, token: _Token) -> int:
        parts = _DURATION.findall(text)
        if text.isdigit():
            milliseconds = int(text) * 1000
        elif "".join(count + unit for count, unit in parts) == text:
            milliseconds = sum(int(count) * _UNITS[unit] for count, unit in parts)
        else:
            raise self.error(f'bad number or duration syntax: "{text}"', token)
        if milliseconds == 0:
            raise self.error("duration must be greater than 0", token)
        return milliseconds

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, kind: str) -> _Token | None:
        token = self._peek()
        if token is None or token.kind != kind:
            return None
        self._next += 1
        return token

    def _mark(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != text:
            return False
        self._next += 1
        return True

    def _expect(self, text: str, where: str) -> None:
        if not self._mark(text):
            raise self._unexpected(f'{where}, expected "{text}"', self._peek())

    def _unexpected(self, where: str, token: _Token | None) -> ParseError:
        what = "end of input" if token is None else f'"{token.text}"'
        if token is not None and token.kind == "string":
            what = f"string {quote(token.text)}"
        hint = "" if where else " (the simulator evaluates selectors only)"
        return self.error(f"unexpected {what} {where}".rstrip() + hint, token)


def _matcher(label: str, operator: str, value: str, parser: _Parser) -> Matcher:
    if operator == "=":
        return Matcher(label, operator, value, frozenset([value]), lambda given: given == value)
    if operator == "!=":
        return Matcher(label, operator, value, None, lambda given: given != value)
    try:
        pattern = re.compile(value, re.DOTALL)
    except re.error as error:
        raise parser.error(f"error parsing regexp: {error}: `{value}`", None) from None
    if operator == "!~":
        return Matcher(label, operator, value, None, lambda given: pattern.fullmatch(given) is None)
    alternatives = value.split("|")
    literal = all(re.fullmatch(r"[\w:/ -]*", one) for one in alternatives)
    values = frozenset(alternatives) if literal else None
    return Matcher(label, operator, value, values, lambda given: pattern.fullmatch(given) is not None)


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", _unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _ESCAPES.get(found[2], found[2])
