"""The value of a tree for a result, with Go's numbers: 64-bit ones that wrap, division that gives Inf or NaN."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serinus_contracts.expression import PREDICATES, ExpressionError, Node

from serinus_judging.argo_analysis.conditions.kinds import given, kind_of

# Of all conditions that are asked together: they take a judge some 20 ms, in which it judges nothing else.
MAX_OPERATIONS = 10_000
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:D(?:\.D?)?|\.D)(?:e[+-]?D)?".replace("D", "(?:[0-9](?:_?[0-9])*)"), re.IGNORECASE)
_HEXADECIMAL = re.compile(
    r"[+-]?0x(?:_?D(?:\.D?)?|\.D)p[+-]?[0-9]+".replace("D", "(?:[0-9a-f](?:_?[0-9a-f])*)"), re.IGNORECASE
)
_NO_FINITE = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)


@dataclass(frozen=True)
class Scope:
    """The result, the element that a predicate is asked of, and how many operations were done."""

    result: Any
    element: Any = None
    steps: list[int] = field(default_factory=lambda: [0])


def value_of(node: Node, scope: Scope) -> Any:
    """Raises ExpressionError where there is no value."""
    _charge(scope, 1)
    op, parts = node.op, node.parts
    if op == "literal" or node.value is not None:
        return node.value
    if op in ("result", "#"):
        return scope.result if op == "result" else scope.element
    first = value_of(parts[0], scope) if parts else None
    if op in ("&&", "||", "?:", "??"):
        return _lazy(node, first, scope)
    if op in PREDICATES:
        return _predicate(node, first, scope)
    rest = [value_of(part, scope) for part in parts[1:]]
    if op == "pos":
        return first
    if op == "index":
        first, rest = _indexed(first, rest[0])
    if op == "list":
        return [first, *rest] if parts else []
    _admit(node, scope, first, rest)
    if op in ("isNil", "default"):
        # Argo binds both to what was measured: what they are given makes no difference.
        nil = scope.result is None
        return nil if op == "isNil" else rest[0] if nil else scope.result
    return _STRICT[op](first, *rest)


def _admit(node: Node, scope: Scope, first: Any, rest: list[Any]) -> None:
    """Whether an operation takes these values. Raises ExpressionError."""
    if node.op in _ANY_KINDS:
        # These walk the whole right side, so in a predicate over a list they would cost its square.
        _charge(scope, _size(rest[0]))
        if node.op == "in" and node.parts[1].parts and all(isinstance(one.value, str) for one in node.parts[1].parts):
            given("==", kind_of(first), "string")
        return
    given(node.op, kind_of(first), *map(kind_of, rest))
    if node.op in ("isNaN", "isInf") and isinstance(first, int) and not _is_written(node.parts[0]):
        raise ExpressionError(f"{node.op} does not take an int")


def _indexed(of: Any, key: Any) -> tuple[Any, list[Any]]:
    """What is indexed and by what, where both are known by value alone: a text has bytes, a float is cut off."""
    if isinstance(of, Mapping) or isinstance(key, bool):
        return of, [key]
    whole = isinstance(key, float) and math.isfinite(key)
    return tuple(of.encode()) if isinstance(of, str) else of, [int(key) if whole else key]


def _is_written(node: Node) -> bool:
    """Whether a whole number is one of a literal, which becomes a float where a float is wanted."""
    if node.op in ("neg", "pos", "+", "-", "*"):
        return any(map(_is_written, node.parts))
    return node.op == "literal"


def _charge(scope: Scope, operations: int) -> None:
    scope.steps[0] += operations
    if scope.steps[0] > MAX_OPERATIONS:
        raise ExpressionError(f"conditions need more than {MAX_OPERATIONS:,} operations")


def _size(value: Any) -> int:
    """How many values a comparison with this one may look at; counted no further than is allowed."""
    pending, size = [value], 0
    while pending and size <= MAX_OPERATIONS:
        one = pending.pop()
        size += 1
        if isinstance(one, list):
            pending += one
        elif isinstance(one, tuple):
            size += len(one)
        elif isinstance(one, Mapping):
            pending += one.values()
    return size


def _lazy(node: Node, first: Any, scope: Scope) -> Any:
    if node.op == "??":
        return first if first is not None else value_of(node.parts[1], scope)
    _bool(node.op, first)
    if node.op == "?:":
        return value_of(node.parts[1 if first else 2], scope)
    if first is (node.op == "||"):
        return first
    return _bool(node.op, value_of(node.parts[1], scope))


def _predicate(node: Node, over: Any, scope: Scope) -> bool:
    given(node.op, kind_of(over), "bool")
    wanted = node.op == "any"
    for element in over:
        if _bool(node.op, value_of(node.parts[1], replace(scope, element=element))) is wanted:
            return wanted
    return not wanted


def _bool(op: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{op} needs true or false, not a {kind_of(value)}")
    return value


def _index(of: Any, key: Any) -> Any:
    if isinstance(of, Mapping):
        return of.get(key)
    if not -len(of) <= key < len(of):
        raise ExpressionError(f"index out of range: {key} (length {len(of)})")
    return of[key]


def _equal(left: Any, right: Any) -> bool:
    """Numbers by value; what has another kind is different."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right if type(left) is type(right) else float(left) == float(right)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return type(left) is type(right) and bool(left == right)


def _in(left: Any, right: Any) -> bool:
    """Nothing is in nil."""
    if isinstance(right, list | tuple):
        return any(_equal(left, item) for item in right)
    if right is not None and not (isinstance(right, Mapping) and isinstance(left, str)):
        raise ExpressionError(f"in is not defined for {kind_of(left)} and {kind_of(right)}")
    return right is not None and left in right


def _wrapped(value: Any) -> Any:
    """As a 64-bit whole number, if it is whole."""
    return (value + 2**63) % 2**64 - 2**63 if isinstance(value, int) else value


def _divided(left: float, right: float) -> float:
    if right:
        return float(left) / float(right)
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("division by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _power(left: float, right: float) -> float:
    odd = right % 2 == 1
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and odd else math.inf
    except ValueError:
        return math.nan if left else math.copysign(math.inf, left if odd else 1.0)


def _convertible(op: str, value: Any) -> None:
    if kind_of(value) not in ("int", "float", "string"):
        raise ExpressionError(f"{op} does not take a {kind_of(value)}")


def _as_int(value: Any) -> int:
    _convertible("asInt", value)
    if not isinstance(value, str) or _WHOLE.fullmatch(value):
        try:
            whole = int(value)
        except (ValueError, OverflowError):
            whole = 2**63
        if whole == _wrapped(whole):
            return whole
    raise ExpressionError(f"asInt({value!r}): no whole number of 64 bits")


def _as_float(value: Any) -> float:
    _convertible("asFloat", value)
    if not isinstance(value, str) or _NO_FINITE.fullmatch(value):
        return float(value)
    try:
        if _HEXADECIMAL.fullmatch(value):
            return float.fromhex(value.replace("_", ""))
        if _DECIMAL.fullmatch(value) and math.isfinite(number := float(value.replace("_", ""))):
            return number
    except OverflowError:
        pass
    raise ExpressionError(f"asFloat({value!r}): no number")


_ANY_KINDS = ("==", "!=", "in")
"""What takes values of any kind where a kind was not known before."""
_STRICT: Mapping[str, Callable[..., Any]] = {
    "!": lambda value: not value,
    "neg": lambda value: _wrapped(-value),
    "pos": lambda value: value,
    "member": _index,
    "index": _index,
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "in": _in,
    "+": lambda left, right: _wrapped(left + right),
    "-": lambda left, right: _wrapped(left - right),
    "*": lambda left, right: _wrapped(left * right),
    "/": _divided,
    "%": _remainder,
    "**": _power,
    "len": len,
    "isNaN": math.isnan,
    "isInf": math.isinf,
    "asInt": _as_int,
    "asFloat": _as_float,
}
