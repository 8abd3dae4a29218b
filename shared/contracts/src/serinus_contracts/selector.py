"""Prometheus selectors as data: `name{label="value"}` is parsed once and rendered with everything escaped.

A selector is never glued together from text, so a label value cannot break out of a query.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from serinus_contracts import regex
from serinus_contracts.base import Document

Labels = dict[str, str]
MAX_SELECTOR_LENGTH = 4096
# Each is compared with each other of its metric, and asked of every series of every snapshot.
MAX_MATCHERS = 20
# With what tells the arms of a run apart.
_MAX_IN_PLAN = 32
Operator = Literal["=", "!=", "=~", "!~"]

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# What PromQL reads as a number or a keyword where a metric's name could stand.
_RESERVED = re.compile("inf|nan|bool|on|ignoring|group_left|group_right|atan2", re.IGNORECASE)
MAX_NAME_LENGTH = 255
# No control characters; and the replacement character is, to Prometheus' lexer, broken UTF-8.
_NEVER = "\\x00-\\x1f\\x7f\ufffd"
# A name as a person writes it: as it is, or in quotes where it holds what could end it.
_PLAIN = f"[^{_NEVER} \"'`(){{}}\\[\\],=~!\\\\]+"
_QUOTED = f'"([^{_NEVER}"\\\\]|\\\\["\\\\])+"'
_PLAIN_OR_QUOTED = f"({_PLAIN}|{_QUOTED})"
_METRIC_TEXT = f"({_PLAIN}|{_QUOTED}|\\{{{_QUOTED}\\}})"
_MATCHER = re.compile(
    rf'\s*(?P<label>{_LABEL.pattern}|{_QUOTED})\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\\n]|\\.)*)"\s*'
)
_NAME_IN_BRACES = re.compile(rf"\s*({_QUOTED})\s*(?=,|$)")
_UNQUOTED = re.compile(rf"({_PLAIN})\s*(?:\{{(.*)\}})?", re.DOTALL)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\ufffd": "\\ufffd"}
_UNESCAPES = {"\\": "\\", '"': '"', "n": "\n", "ufffd": "\ufffd"}


def _in_quotes(text: str) -> str:
    return f'"{"".join(_ESCAPES.get(char, char) for char in text)}"'


def _unescaped(text: str) -> str:
    return re.sub(r"\\(ufffd|.)", lambda found: _UNESCAPES.get(found[1], found[0]), text)


def is_name(text: str) -> bool:
    """Whether it can stand as a name in a Selector or Matcher, and so in a policy."""
    return re.fullmatch(f"[^{_NEVER}]+", text) is not None and len(text) <= MAX_NAME_LENGTH


def in_matcher(label: str) -> str:
    """A label as a selector names it: in quotes where it is none of the classic names, as Prometheus 3 has it."""
    return label if _LABEL.fullmatch(label) else _in_quotes(label)


def in_grouping(label: str) -> str:
    """A label as `by` names it: in quotes also where PromQL would read a number or keyword, which older ones never do
    as a label."""
    return _in_quotes(label) if label.lower() in ("inf", "nan", "without") else in_matcher(label)


def name_text(name: str) -> str:
    """A name as a policy writes it, which is read back as the same name."""
    return name if not name or re.fullmatch(_PLAIN, name) else _in_quotes(name)


def _name_of(text: str) -> str:
    if text.startswith("{"):
        text = text[1:-1]
    return _unescaped(text[1:-1]) if text.startswith('"') else text


_RULE = (
    "a name has no control characters; one that holds a space, quotes, brackets, a backslash or any of , = ~ ! stands "
    'in double quotes, as "pod name", with a backslash before a quote or backslash in it'
)


def _metric_name(text: str) -> str:
    if re.fullmatch(_METRIC_TEXT, text):
        return _name_of(text)
    if any(mark in text for mark in "{([ "):
        raise ValueError(
            "is a metric's name alone, without labels and functions: to choose series by labels, write events and "
            f"trials, histogram or gauge instead of preset and metric, each with its labels in braces; {_RULE}"
        )
    raise ValueError(f"is not a metric name: {_RULE}")


def _label_name(text: str) -> str:
    if re.fullmatch(_PLAIN_OR_QUOTED, text):
        return _name_of(text)
    raise ValueError(f"is not a label name: {_RULE}")


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": MAX_NAME_LENGTH, "pattern": f"^{pattern}$"})


# What is accepted here can stand in a Selector or Matcher, which hold names without quotes.
_Name = Annotated[str, Field(max_length=MAX_NAME_LENGTH), PlainSerializer(name_text)]
MetricName = Annotated[_Name, AfterValidator(_metric_name), _schema(_METRIC_TEXT)]
LabelName = Annotated[_Name, AfterValidator(_label_name), _schema(_PLAIN_OR_QUOTED)]
LabelNameOrNone = Annotated[
    _Name, AfterValidator(lambda text: text and _label_name(text)), _schema(f"{_PLAIN_OR_QUOTED}?")
]
_AnyName = Annotated[str, Field(pattern=f"^[^{_NEVER}]+$", max_length=MAX_NAME_LENGTH)]


class Matcher(Document):
    """One label matcher. Regular expressions are RE2, anchored at both ends, as in Prometheus."""

    label: _AnyName
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
        return f"{in_matcher(self.label)}{self.op}{_in_quotes(self.value)}"


class Selector(Document):
    """An instant vector selector: a metric name, matchers, or both."""

    name: _AnyName | None = None
    matchers: tuple[Matcher, ...] = Field((), max_length=_MAX_IN_PLAN)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The selector that `text` writes. Raises ValueError saying where it stops being one."""
        if len(text) > MAX_SELECTOR_LENGTH:
            raise ValueError(f"a selector has at most {MAX_SELECTOR_LENGTH} characters, this one {len(text)}")
        rest = text.strip()
        classic = _METRIC.match(rest)
        if classic:
            rest = rest[classic.end() :].lstrip()
        names = [classic[0]] if classic else []
        matchers: list[Matcher] = []
        if rest.startswith("{") and rest.endswith("}"):
            body = rest[1:-1].strip()
            while body:
                found, quoted = _MATCHER.match(body), _NAME_IN_BRACES.match(body)
                if found:
                    if len(matchers) == MAX_MATCHERS:
                        raise ValueError(f"a selector has at most {MAX_MATCHERS} matchers: one more at {body[:40]!r}")
                    label, value = _name_of(found["label"]), _unescaped(found["value"])
                    matchers.append(Matcher.model_validate({"label": label, "op": found["op"], "value": value}))
                elif quoted:
                    names.append(_name_of(quoted[1]))
                else:
                    raise ValueError(f'{text!r}: expected label="value" at {body!r}{_way_to_quote(body)}')
                body = body[(found or quoted).end() :]  # type: ignore[union-attr]
                if body and not body.startswith(","):
                    raise ValueError(f"{text!r}: expected a comma at {body!r}")
                body = body[1:].strip()
        elif rest:
            raise ValueError(
                f'{text!r} is no selector: write name or name{{label="value"}}, not {rest!r}{_way_to_quote(text)}'
            )
        if not names and not matchers:
            raise ValueError("a selector needs a metric name or a matcher")
        names += [one.value for one in matchers if one.label == "__name__" and names]
        if len(names) > 1:
            raise ValueError(f"{text!r} has more than one metric name: {' and '.join(names)}")
        return cls(name=names[0] if names else None, matchers=tuple(matchers))

    @property
    def quotes_names(self) -> bool:
        """Whether it names what only Prometheus 3 and its like can hold: a name that is none of the classic ones."""
        if self.name is not None and _METRIC.fullmatch(self.name) is None:
            return True
        return any(
            _LABEL.fullmatch(one.label) is None or (one.label == "__name__" and not _may_be_classic(one))
            for one in self.matchers
        )

    def where(self, *matchers: Matcher) -> Self:
        """This selector narrowed by more matchers; one that it has already is not repeated."""
        known = {matcher.key for matcher in self.matchers}
        new = tuple(matcher for matcher in matchers if matcher.key not in known)
        return self.model_copy(update={"matchers": self.matchers + new})

    @property
    def names(self) -> frozenset[str] | None:
        """The metrics that it can select, None where it does not name them, or says more of their names."""
        said = [one for one in self.all_matchers() if one.label == "__name__"]
        if len(said) != 1 or not said[0].value:
            return None
        if said[0].op == "=":
            return frozenset([said[0].value])
        return _alternatives(said[0].value) if said[0].op == "=~" else None

    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers with the name as one of them, to test a series' labels including `__name__`."""
        named = (Matcher(label="__name__", value=self.name),) if self.name else ()
        return named + self.matchers

    def __str__(self) -> str:
        name, parts = self.name, [*map(str, self.matchers)]
        if name and _RESERVED.fullmatch(name):
            parts.insert(0, f'__name__="{name}"')
        elif name and not _METRIC.fullmatch(name):
            parts.insert(0, _in_quotes(name))
        else:
            return f"{name}{{{','.join(parts)}}}" if name and parts else name or f"{{{','.join(parts)}}}"
        return f"{{{','.join(parts)}}}"


def _alternatives(expression: str) -> frozenset[str] | None:
    """What an expression of literals alone matches, as re.escape writes them; None for any other."""
    parts = expression.split("|")
    literals = [re.sub(r"\\(.)", r"\1", part) for part in parts]
    same = all(literal and re.escape(literal) == part for literal, part in zip(literals, parts, strict=True))
    return frozenset(literals) if same else None


def _may_be_classic(matcher: Matcher) -> bool:
    if matcher.op == "=":
        return not matcher.value or _METRIC.fullmatch(matcher.value) is not None
    # An escaped mark, such as \\., stands for itself, which no classic name holds.
    return matcher.op != "=~" or re.search(r"\\[^a-zA-Z0-9_:]", matcher.value) is None


def _way_to_quote(text: str) -> str:
    """What to write instead of a name of Prometheus 3 that stands outside of braces or without its quotes."""
    unquoted = _UNQUOTED.fullmatch(text.strip())
    if unquoted is None or _METRIC.fullmatch(unquoted[1]):
        return ""
    inside = ",".join(part for part in (_in_quotes(unquoted[1]), unquoted[2]) if part)
    return f"; such a name stands in quotes and in the braces: {{{inside}}}"


def _from_text(value: object) -> object:
    return Selector.parse(value) if isinstance(value, str) else value


SelectorText = Annotated[Selector, BeforeValidator(_from_text, json_schema_input_type=str)]
