"""The grammar of the conditions of analysis templates, as far as templates use it: text to a tree.

The language is that of github.com/expr-lang/expr, which Argo Rollouts uses: its precedences, `and` beside `&&`,
predicates as `{# > 1}` or bare, `.field` short for `#.field`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<mark>\?\?|\?\.|\|\||&&|==|!=|<=|>=|\*\*|[-+*/%^<>!?:.,#(){}\[\]]))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BINARY = {
    "or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20, "in": 20,
    "contains": 20, "startsWith": 20, "endsWith": 20, "matches": 20,
    "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_SAME = {"or": "||", "and": "&&", "not": "!", "^": "**"}
PREDICATES = ("all", "any", "none", "one", "filter", "map", "count")
"""Functions whose second argument is evaluated for each element of the first."""


class ConditionError(Exception):
    """A condition that cannot be read or evaluated: what is wrong with it."""


@dataclass(frozen=True)
class Literal:
    value: float | int | str | bool | None


@dataclass(frozen=True)
class ListOf:
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Element:
    """`#`: what a predicate is asked of."""


@dataclass(frozen=True)
class Member:
    """`of.key` with a literal key, or `of[key]`; an `optional` one of nil is nil."""

    of: Node
    key: Node
    field: bool
    optional: bool


@dataclass(frozen=True)
class Unary:
    operator: str
    of: Node


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Choice:
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Literal | ListOf | Name | Element | Member | Unary | Binary | Choice | Call


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """Raises ConditionError."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        self._inside = 0
        position = 0
        while (found := _TOKEN.match(text, position)) is not None:
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()
        if rest := text[position:].strip():
            raise ConditionError(f"unexpected {rest[:10]!r} in the condition")

    def whole(self) -> Node:
        node = self._expression(0)
        if self._next < len(self._tokens):
            raise self._unexpected()
        return node

    def _expression(self, least: int) -> Node:
        left = self._unary()
        while (operator := self._binary(least)) is not None:
            strength = _BINARY[operator.removeprefix("not ")]
            right = self._expression(strength if operator in ("**", "^") else strength + 1)
            if operator.startswith("not "):
                left = Unary("!", Binary(operator.removeprefix("not "), left, right))
            else:
                left = Binary(_SAME.get(operator, operator), left, right)
        if least == 0 and self._take("?"):
            then = self._expression(0)
            self._expect(":")
            left = Choice(left, then, self._expression(0))
        return left

    def _binary(self, least: int) -> str | None:
        kind, text = self._peek()
        negated = kind == "name" and text == "not" and self._next + 1 < len(self._tokens)
        if negated:
            kind, text = self._tokens[self._next + 1]
        if kind not in ("mark", "name") or _BINARY.get(text, -1) < least or text not in _BINARY:
            return None
        self._next += 2 if negated else 1
        return f"not {text}" if negated else text

    def _unary(self) -> Node:
        kind, text = self._peek()
        if kind in ("mark", "name") and text in _UNARY:
            self._next += 1
            return Unary(_SAME.get(text, text), self._expression(_UNARY[text]))
        return self._members(self._primary())

    def _members(self, node: Node) -> Node:
        while True:
            optional = self._take("?.")
            if optional or self._take("."):
                node = Member(node, Literal(self._name()), field=True, optional=optional)
            elif self._take("["):
                key = self._expression(0)
                self._expect("]")
                node = Member(node, key, field=False, optional=False)
            else:
                return node

    def _primary(self) -> Node:
        kind, text = self._peek()
        self._next += 1
        if kind == "number":
            plain = text.replace("_", "")
            return Literal(int(plain) if plain.isdigit() else float(plain))
        if kind == "string":
            return Literal(_ESCAPE.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1]))
        if kind == "name":
            words: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
            if text in words:
                return Literal(words[text])
            return self._call(text) if self._take("(") else Name(text)
        if text == "(":
            node = self._expression(0)
            self._expect(")")
            return node
        if text == "[":
            return ListOf(self._items("]"))
        if text == "#" and self._inside:
            return Element()
        if text == "." and self._inside:
            return Member(Element(), Literal(self._name()), field=True, optional=False)
        self._next -= 1
        raise self._unexpected()

    def _call(self, function: str) -> Node:
        if function not in PREDICATES:
            return Call(function, self._items(")"))
        over = self._expression(0)
        self._expect(",")
        self._inside += 1
        braces = self._take("{")
        predicate = self._expression(0)
        if braces:
            self._expect("}")
        self._inside -= 1
        self._expect(")")
        return Call(function, (over, predicate))

    def _items(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(end):
            items.append(self._expression(0))
            if not self._take(","):
                self._expect(end)
                break
        return tuple(items)

    def _name(self) -> str:
        kind, text = self._peek()
        if kind != "name":
            raise self._unexpected()
        self._next += 1
        return text

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self, mark: str) -> bool:
        if self._peek() != ("mark", mark):
            return False
        self._next += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._unexpected()

    def _unexpected(self) -> ConditionError:
        kind, text = self._peek()
        what = "the end" if kind == "end" else repr(text)
        return ConditionError(f"unexpected {what} in the condition")
