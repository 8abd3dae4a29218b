"""The language of conditions in Argo's AnalysisTemplates, text to a tree: a policy is refused where it cannot be read.

It is that of github.com/expr-lang/expr 1.17, with its precedences (`parser/operator/operator.go`) and the functions
that Argo Rollouts adds (`utils/evaluate/evaluate.go`): arithmetic, comparison, `&& || !` and `and or not`, `in`, `? :`,
`??`, indexes and members, literals, `len`, `all`, `any`, `isNaN`, `isInf`, `isNil`, `asFloat`, `asInt`, `default`.
Everything else is refused, with its column. What is read is bounded, so no expression can exhaust a judge, which
answers it (`serinus_judging.argo_analysis.conditions`).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, NoReturn

from pydantic import AfterValidator

MAX_LENGTH = 2000
MAX_DEPTH = 60
FUNCTIONS = {
    "len": 1, "all": 2, "any": 2, "isNaN": 1, "isInf": 1, "isNil": 1, "asFloat": 1, "asInt": 1, "default": 2,
}  # fmt: skip
"""How many arguments each takes."""
PREDICATES = ("all", "any")

_TOKEN = re.compile(
    r"""(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_$][\w$]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<mark>\?\?|\?\.|\|\||&&|==|!=|<=|>=|\*\*|\.\.|[-+*/%^<>!?:.,;=&|\#(){}\[\]])""",
    re.VERBOSE,
)
_BLANK = re.compile(r"\s*")
_BINARY = {
    "||": 10, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20, "in": 20, "not in": 20,
    "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "??": 500,
}  # fmt: skip
_UNARY = {"!": 50, "-": 90, "+": 90}
_SAME = {"or": "||", "and": "&&", "not": "!", "^": "**"}
_COMPARING = ("<", ">", "<=", ">=")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_OTHER = {
    "=": "write == to compare", "&": "write && or and", "|": "pipes are not supported; for or write ||",
    ";": "one expression only", "..": "ranges are not supported", "?.": "write . for a member",
}  # fmt: skip


class ExpressionError(ValueError):
    """An expression that cannot be read, or that gives no answer for a result."""


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: a literal, a name (`result`, `#`), an operator or a function, and its parts.

    `value`: of a literal, and what a literal decides, which expr-lang finds before it evaluates: `x && false` is false.
    """

    op: str
    parts: tuple["Node", ...] = ()
    value: Any = None
    depth: int = 1


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class Parser:
    """Reads one expression; every error names the column, from 1."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
        self._tokens: list[_Token] = []
        self._next, self._depth, self._inside = 0, 0, 0
        position = _end(_BLANK, text, 0)
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                what = "a text without its end" if text[position] in "\"'" else repr(text[position])
                self._fail(f"unexpected {what}", position)
            self._tokens.append(_Token(str(found.lastgroup), found[0], position))
            position = _end(_BLANK, text, found.end())
        self._tokens.append(_Token("end", "", len(text)))

    def whole(self) -> Node:
        """The tree. Raises ExpressionError."""
        node = self._expression(0)
        if self._token.kind != "end":
            self._unexpected()
        return node

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("nested too deeply")
        left, before = self._unary(), ""
        while (operator := self._operator()) and _BINARY[operator] >= least:
            if before == "??" and operator != "??":
                self._fail(f"?? and {operator} cannot be mixed: put one of them in parentheses")
            if operator == "not in":
                self._next += 1
            self._next += 1
            strength = _BINARY[operator]
            right = self._expression(strength if operator == "**" else strength + 1)
            if operator == "not in":
                left = self._made("!", self._made("in", left, right))
            elif operator in _COMPARING:
                left = self._compared(left, operator, right)
            else:
                left = self._made(operator, left, right)
            before = operator
        while least == 0 and self._take("?"):
            then = left if self._token.text == ":" else self._expression(0)
            self._expect(":")
            left = self._made("?:", left, then, self._expression(0))
        self._depth -= 1
        return left

    def _compared(self, left: Node, operator: str, right: Node) -> Node:
        """`0 < x < 1` asks both, as in expr-lang."""
        made = self._made(operator, left, right)
        while (operator := self._operator()) in _COMPARING:
            self._next += 1
            left, right = right, self._expression(_BINARY[operator] + 1)
            made = self._made("&&", made, self._made(operator, left, right))
        return made

    def _operator(self) -> str:
        """The binary operator that stands next, empty if there is none."""
        token = self._token
        if token.kind not in ("mark", "name"):
            return ""
        text = _SAME.get(token.text, token.text)
        if text == "!" and token.text == "not" and self._tokens[self._next + 1].text == "in":
            return "not in"
        return text if text in _BINARY else ""

    def _unary(self) -> Node:
        token = self._token
        operator = _SAME.get(token.text, token.text)
        if token.kind in ("mark", "name") and operator in _UNARY:
            self._next += 1
            # expr-lang has one sign for numbers and another for taking away.
            return self._made({"-": "neg", "+": "pos"}.get(operator, operator), self._expression(_UNARY[operator]))
        return self._members(self._primary())

    def _members(self, node: Node) -> Node:
        while True:
            if self._take("."):
                node = self._made("member", node, Node("literal", value=self._name()))
            elif self._take("["):
                key = self._expression(0)
                if self._token.text == ":":
                    self._fail("slices are not supported")
                self._expect("]")
                node = self._made("index", node, key)
            else:
                return node

    def _primary(self) -> Node:
        token = self._token
        self._next += 1
        if token.kind == "number":
            return self._number(token)
        if token.kind == "string":
            return Node("literal", value=self._string(token))
        if token.kind == "name":
            return self._named(token)
        if token.text == "(" and token.kind == "mark":
            node = self._expression(0)
            self._expect(")")
            return node
        if token.text == "[":
            return self._made("list", *self._items("]"))
        if token.text == "#" and self._inside:
            return Node("#")
        if token.text == "." and self._inside:
            return self._made("member", Node("#"), Node("literal", value=self._name()))
        self._next -= 1
        return self._unexpected()

    def _named(self, token: _Token) -> Node:
        if token.text in _WORDS:
            return Node("literal", value=_WORDS[token.text])
        if token.text == "result":
            return Node("result")
        if token.text not in FUNCTIONS:
            known = f"known are result, {', '.join(FUNCTIONS)}"
            self._fail(f"unknown name {token.text!r}; {known}", token.at)
        self._expect("(")
        arguments = self._predicate() if token.text in PREDICATES else self._items(")")
        if len(arguments) != FUNCTIONS[token.text]:
            self._fail(f"{token.text} takes {FUNCTIONS[token.text]} arguments, not {len(arguments)}", token.at)
        return self._made(token.text, *arguments)

    def _predicate(self) -> tuple[Node, Node]:
        over = self._expression(0)
        self._expect(",")
        self._inside += 1
        braces = self._take("{")
        asked = self._expression(0)
        if braces:
            self._expect("}")
        self._inside -= 1
        self._take(",")
        self._expect(")")
        return over, asked

    def _items(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(end):
            items.append(self._expression(0))
            if not self._take(","):
                self._expect(end)
                break
        return tuple(items)

    def _number(self, token: _Token) -> Node:
        after = self._token
        if after.at == token.at + len(token.text) and after.kind in ("name", "number"):
            self._fail(f"{token.text + after.text!r} is no number", token.at)
        plain = token.text.replace("_", "")
        value: float = int(plain) if plain.isdigit() else float(plain)
        if value >= 2**63 if isinstance(value, int) else math.isinf(value):
            self._fail(f"{token.text} is too large", token.at)
        return Node("literal", value=value)

    def _string(self, token: _Token) -> str:
        def plain(found: re.Match[str]) -> str:
            if found[1] not in _ESCAPES or (found[1] in "\"'" and found[1] != token.text[0]):
                self._fail(f"unknown escape {found[0]}", token.at + found.start() + 1)
            return _ESCAPES[found[1]]

        return re.sub(r"\\(.)", plain, token.text[1:-1])

    def _name(self) -> str:
        token = self._token
        if token.kind != "name":
            self._unexpected()
        self._next += 1
        return token.text

    def _made(self, op: str, *parts: Node) -> Node:
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > MAX_DEPTH:
            self._fail("nested too deeply")
        decisive = {"&&": False, "||": True}.get(op)
        known = decisive is not None and any(part.value is decisive for part in parts)
        return Node(op, parts, decisive if known else None, depth)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, mark: str) -> bool:
        if self._token[:2] != ("mark", mark):
            return False
        self._next += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            self._unexpected(f", expected {mark!r}")

    def _unexpected(self, instead: str = "") -> NoReturn:
        token = self._token
        hint = f": {_OTHER[token.text]}" if token.text in _OTHER and token.kind == "mark" else instead
        self._fail(f"unexpected {repr(token.text) if token.text else 'end'}{hint}")

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        raise ExpressionError(f"column {(self._token.at if at is None else at) + 1}: {message}")


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


# Read with each plan and each policy of a namespace, which mostly ask the same; a millisecond for 150 characters.
@lru_cache(maxsize=1024)
def parse_tree(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError naming the column and what is wrong there."""
    return Parser(text).whole()


def _readable(text: str) -> str:
    parse_tree(text)
    return text


ExpressionText = Annotated[str, AfterValidator(_readable)]
"""Text that `parse_tree` reads."""
