"""Conditions of analysis templates: whether one holds of a result, as Argo's expression language has it.

Results come from JSON, where every number is a float, or from Prometheus as a tuple of floats. Written for the
simulator alone, so that another implementation can be held against it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from serinus_simulator.argo.analysis.condition_types import NUMBERS, Scope, check, go, kind_of, mismatch
from serinus_simulator.argo.analysis.expressions import (
    Binary,
    Call,
    Choice,
    ConditionError,
    Element,
    ListOf,
    Literal,
    Member,
    Name,
    Node,
    Unary,
    parse,
)

__all__ = ["ConditionError", "holds"]
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def holds(condition: str, result: Any) -> bool:
    """Raises ConditionError where it cannot be read, does not fit the result, or is no yes or no."""
    tree = parse(condition)
    scope = Scope(result, kind_of(result))
    check(tree, scope)
    value = _value(tree, scope)
    if not isinstance(value, bool):
        raise ConditionError(f"expected bool, but got {go(kind_of(value))}")
    return value


def _value(node: Node, scope: Scope) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, ListOf):
        return [_value(item, scope) for item in node.items]
    if isinstance(node, Element):
        return scope.element
    if isinstance(node, Name):
        return scope.result
    if isinstance(node, Member):
        return _member(node, scope)
    if isinstance(node, Unary):
        value = _value(node.of, scope)
        if node.operator == "!":
            return not _bool(value)
        number = _number(node.operator, value)
        return -number if node.operator == "-" else number
    if isinstance(node, Choice):
        return _value(node.then if _bool(_value(node.condition, scope)) else node.otherwise, scope)
    if isinstance(node, Call):
        return _call(node, scope)
    return _binary(node, scope)


def _member(node: Member, scope: Scope) -> Any:
    of, key = _value(node.of, scope), _value(node.key, scope)
    if of is None and node.optional:
        return None
    if isinstance(of, dict):
        return of.get(key) if isinstance(key, str) else mismatch("[]", "map", kind_of(key))
    if isinstance(of, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        if not -len(of) <= key < len(of):
            raise ConditionError(f"index out of range: {key} (array length is {len(of)})")
        return of[key]
    raise ConditionError(f"cannot fetch {key} from {go(kind_of(of))}")


def _binary(node: Binary, scope: Scope) -> Any:
    operator, left = node.operator, _value(node.left, scope)
    if operator in ("&&", "||"):
        decided = operator == "||"
        return decided if _bool(left) is decided else _bool(_value(node.right, scope))
    if operator == "??" and left is not None:
        return left
    right = _value(node.right, scope)
    if operator == "??":
        return right
    if operator in ("==", "!="):
        return _equal(left, right) is (operator == "==")
    if operator == "in":
        if right is None:
            return False
        if isinstance(right, list | tuple):
            return any(_equal(left, item) for item in right)
        return left in _map(right) if isinstance(left, str) else mismatch(operator, kind_of(left), kind_of(right))
    if isinstance(left, str) and isinstance(right, str):
        return _of_strings(operator, left, right)
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](_number(operator, left), _number(operator, right))
    return _arithmetic(operator, _number(operator, left), _number(operator, right))


def _of_strings(operator: str, left: str, right: str) -> Any:
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](left, right)
    if operator == "+":
        return left + right
    if operator == "matches":
        return re.search(right, left) is not None
    tests = {"contains": right in left, "startsWith": left.startswith(right), "endsWith": left.endswith(right)}
    return tests[operator] if operator in tests else mismatch(operator, "string", "string")


def _arithmetic(operator: str, left: float, right: float) -> float:
    if operator == "%":
        if not isinstance(left, int) or not isinstance(right, int) or right == 0:
            mismatch(operator, kind_of(left), kind_of(right))
        return int(math.fmod(left, right))
    if operator == "/":
        return _quotient(float(left), float(right))
    if operator == "**":
        return _power(float(left), float(right))
    return left + right if operator == "+" else left - right if operator == "-" else left * right


def _quotient(left: float, right: float) -> float:
    if right != 0:
        return left / right
    signs = math.copysign(1.0, left) * math.copysign(1.0, right)
    return math.nan if left == 0 or math.isnan(left) else signs * math.inf


def _power(left: float, right: float) -> float:
    odd = math.isfinite(right) and math.fmod(right, 2) in (1.0, -1.0)
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and odd else math.inf
    except ValueError:
        return math.nan if left != 0 else math.copysign(math.inf, left) if odd else math.inf


def _call(node: Call, scope: Scope) -> Any:
    name, arguments = node.function, node.arguments
    value = _value(arguments[0], scope)
    if name == "isNil":
        # Argo binds both of these to the measured result: what they are given makes no difference
        return scope.result is None
    if name == "default":
        return _value(arguments[1], scope) if scope.result is None else scope.result
    if name == "len":
        if not isinstance(value, str | list | tuple | dict):
            raise ConditionError(f"invalid argument for len (type {go(kind_of(value))})")
        return len(value)
    if name in ("isNaN", "isInf"):
        if not isinstance(value, float):
            raise ConditionError(f"{name} does not take {go(kind_of(value))}")
        return math.isnan(value) if name == "isNaN" else math.isinf(value)
    if name in ("asInt", "asFloat"):
        return _converted(name, value)
    if not isinstance(value, list | tuple):
        raise ConditionError(f"{name} does not take {go(kind_of(value))}")
    answers = [_value(arguments[1], scope.inside(item, "any")) for item in value]
    if name == "map":
        return answers
    kept = [item for item, answer in zip(value, answers, strict=True) if _bool(answer)]
    if name == "filter":
        return kept
    counted = len(kept)
    outcomes = {"all": counted == len(value), "any": counted > 0, "none": counted == 0, "one": counted == 1}
    return counted if name == "count" else outcomes[name]


def _converted(name: str, value: Any) -> float:
    kind = kind_of(value)
    try:
        if kind in NUMBERS:
            return float(value) if name == "asFloat" else int(value)
        if kind == "string":
            return float(value) if name == "asFloat" else int(value)
    except (ValueError, OverflowError):
        raise ConditionError(f"{name}({value!r}): invalid syntax") from None
    raise ConditionError(f"{name}() not supported on {go(kind)}")


def _equal(left: Any, right: Any) -> bool:
    """Numbers by value whatever their type; what has different types is different."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return type(left) is type(right) and bool(left == right)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConditionError(f"expected bool, but got {go(kind_of(value))}")
    return value


def _number(operator: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConditionError(f"invalid operation: {operator} (on {go(kind_of(value))})")
    return value


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConditionError(f"operator in not defined on {go(kind_of(value))}")
    return value
