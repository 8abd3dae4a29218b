"""Prometheus selectors as data: `name{label="value"}` is parsed once and rendered with everything escaped.

A selector is never glued together from text, so a label value cannot break out of a query.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from serinus_contracts import regex
from serinus_contracts.base import Document

Labels = dict[str, str]
MAX_SELECTOR_LENGTH = 4096
# Each is compared with each other of its metric, and asked of every series of every snapshot.
MAX_MATCHERS = 20
# With what tells the arms of a run apart.
_MAX_IN_PLAN = 32
Operator = Literal["=", "!=", "=~", "!~"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_UNESCAPES = {escaped[1]: plain for plain, escaped in _ESCAPES.items()}


def _metric_name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    if any(mark in text for mark in "{([ "):
        raise ValueError(
            "is a metric's name alone, without labels and functions: to choose series by labels, write events and "
            "trials, histogram or gauge instead of preset and metric, each with its labels in braces"
        )
    raise ValueError(
        "is no metric name: letters, digits, _ and : only, and no digit first; quoted UTF-8 names are not supported yet"
    )


def is_label_name(text: str) -> bool:
    """Whether it is one of Prometheus' classic label names, which a policy may name."""
    return _LABEL.fullmatch(text) is not None


def _label_name(text: str) -> str:
    if is_label_name(text):
        return text
    raise ValueError(
        "is no label name: letters, digits and _ only, and no digit first, such as k8s_pod_name; quoted UTF-8 names "
        "such as k8s.pod.name are not supported yet: rename the label as it is scraped or received"
    )


# Prometheus' classic names. What is accepted here can stand in a Selector or Matcher.
MetricName = Annotated[
    str, AfterValidator(_metric_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]
LabelName = Annotated[
    str, AfterValidator(_label_name), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL.pattern}$"})
]
LabelNameOrNone = Annotated[
    str,
    AfterValidator(lambda text: text and _label_name(text)),
    WithJsonSchema({"type": "string", "pattern": f"^({_LABEL.pattern})?$"}),
]


class Matcher(Document):
    """One label matcher. Regular expressions are RE2, anchored at both ends, as in Prometheus."""

    label: str = Field(pattern=rf"^{_LABEL.pattern}$")
    op: Operator = "="
    value: str

    @model_validator(mode="after")
    def _expression_compiles(self) -> Self:
        if self.op in ("=~", "!~"):
            regex.check(self.value)
        return self

    def matches(self, labels: Labels) -> bool:
        """Whether a series with these labels is selected; an absent label counts as empty, as in Prometheus."""
        actual = labels.get(self.label, "")
        if self.op == "=":
            return actual == self.value
        if self.op == "!=":
            return actual != self.value
        return regex.full_match(self.value, actual) == (self.op == "=~")

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for equal matchers, and compared at a tenth of the cost."""
        return self.label, self.op, self.value

    @property
    def negated(self) -> "Matcher":
        """What matches all other series."""
        other: dict[Operator, Operator] = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
        return self.model_copy(update={"op": other[self.op]})

    def __str__(self) -> str:
        escaped = "".join(_ESCAPES.get(char, char) for char in self.value)
        return f'{self.label}{self.op}"{escaped}"'


class Selector(Document):
    """An instant vector selector: a metric name, matchers, or both."""

    name: str | None = Field(default=None, pattern=rf"^{_NAME.pattern}$")
    matchers: tuple[Matcher, ...] = Field((), max_length=_MAX_IN_PLAN)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The selector that `text` writes. Raises ValueError saying where it stops being one."""
        if len(text) > MAX_SELECTOR_LENGTH:
            raise ValueError(f"a selector has at most {MAX_SELECTOR_LENGTH} characters, this one {len(text)}")
        rest = text.strip()
        name = _NAME.match(rest)
        if name:
            rest = rest[name.end() :].lstrip()
        matchers: list[Matcher] = []
        if rest.startswith("{") and rest.endswith("}"):
            body = rest[1:-1].strip()
            while body:
                found = _MATCHER.match(body)
                if not found:
                    raise ValueError(f'{text!r}: expected label="value" at {body!r}')
                label, op, value = found.groups()
                plain = re.sub(r"\\(.)", lambda m: _UNESCAPES.get(m[1], m[0]), value)
                if len(matchers) == MAX_MATCHERS:
                    raise ValueError(f"a selector has at most {MAX_MATCHERS} matchers: one more at {body[:40]!r}")
                matchers.append(Matcher.model_validate({"label": label, "op": op, "value": plain}))
                body = body[found.end() :]
                if body and not body.startswith(","):
                    raise ValueError(f"{text!r}: expected a comma at {body!r}")
                body = body[1:].strip()
        elif rest:
            raise ValueError(f'{text!r} is no selector: write name or name{{label="value"}}, not {rest!r}')
        if not name and not matchers:
            raise ValueError("a selector needs a metric name or a matcher")
        return cls(name=name[0] if name else None, matchers=tuple(matchers))

    def where(self, *matchers: Matcher) -> Self:
        """This selector narrowed by more matchers; one that it has already is not repeated."""
        known = {matcher.key for matcher in self.matchers}
        new = tuple(matcher for matcher in matchers if matcher.key not in known)
        return self.model_copy(update={"matchers": self.matchers + new})

    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers with the name as one of them, to test a series' labels including `__name__`."""
        named = (Matcher(label="__name__", value=self.name),) if self.name else ()
        return named + self.matchers

    def __str__(self) -> str:
        body = ",".join(map(str, self.matchers))
        return f"{self.name or ''}{{{body}}}" if body or not self.name else self.name


def _from_text(value: object) -> object:
    return Selector.parse(value) if isinstance(value, str) else value


SelectorText = Annotated[Selector, BeforeValidator(_from_text, json_schema_input_type=str)]
