"""What is known of the types in a condition before it is evaluated, as a compiler knows it.

The types of the result, of literals and of what operators make of them are known; a field of a JSON object may be
anything. So `result.verdict` of a text is refused at once, and `result.errors > "5"` only by its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

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
)

NUMBERS = ("int", "float")
_GO = {
    "bool": "bool",
    "int": "int",
    "float": "float64",
    "string": "string",
    "nil": "nil",
    "floats": "[]float64",
    "list": "[]interface {}",
    "map": "map[string]interface {}",
}


@dataclass(frozen=True)
class Scope:
    """The result and, inside a predicate, the element; with what is known of their types."""

    result: Any
    kind: str
    element: Any = None
    element_kind: str = "any"

    def inside(self, element: Any, kind: str) -> Scope:
        return Scope(self.result, self.kind, element, kind)


def kind_of(value: Any) -> str:
    """The type of a value; a tuple is what Prometheus measured."""
    kinds = {bool: "bool", int: "int", float: "float", str: "string", dict: "map", list: "list", tuple: "floats"}
    return "nil" if value is None else kinds.get(type(value), "any")


def go(kind: str) -> str:
    """The name that Argo's messages have for a type."""
    return _GO.get(kind, "unknown")


def mismatch(operator: str, *kinds: str) -> NoReturn:
    raise ConditionError(f"invalid operation: {operator} (mismatched types {' and '.join(map(go, kinds))})")


_LISTS = ("list", "floats")
_FUNCTIONS: dict[str, tuple[int, tuple[str, ...], str]] = {
    "len": (1, ("string", "list", "floats", "map"), "int"),
    "isNaN": (1, ("float",), "bool"),
    "isInf": (1, ("float",), "bool"),
    "isNil": (1, (), "bool"),
    "asInt": (1, (), "int"),
    "asFloat": (1, (), "float"),
    "default": (2, (), "any"),
    "all": (2, _LISTS, "bool"),
    "any": (2, _LISTS, "bool"),
    "none": (2, _LISTS, "bool"),
    "one": (2, _LISTS, "bool"),
    "count": (2, _LISTS, "int"),
    "filter": (2, _LISTS, "list"),
    "map": (2, _LISTS, "list"),
}
"""How many arguments, what the first may be (anything where nothing is said), and what comes of it."""


def check(node: Node, scope: Scope) -> str:
    """The type of a node, `any` where only its evaluation will tell. Raises ConditionError."""
    if isinstance(node, Literal):
        return kind_of(node.value)
    if isinstance(node, ListOf):
        for item in node.items:
            check(item, scope)
        return "list"
    if isinstance(node, Element):
        return scope.element_kind
    if isinstance(node, Name):
        if node.name != "result":
            raise ConditionError(f"unknown name {node.name}")
        return scope.kind
    if isinstance(node, Member):
        return _check_member(node, scope)
    if isinstance(node, Unary):
        kind = check(node.of, scope)
        fits = kind in (("bool", "any") if node.operator == "!" else (*NUMBERS, "any"))
        given = "bool" if node.operator == "!" else kind
        return given if fits else mismatch(node.operator, kind)
    if isinstance(node, Choice):
        if check(node.condition, scope) not in ("bool", "any"):
            raise ConditionError("a choice needs a condition that is yes or no")
        then, otherwise = check(node.then, scope), check(node.otherwise, scope)
        return then if then == otherwise else "any"
    if isinstance(node, Call):
        return _check_call(node, scope)
    return _check_binary(node, scope)


def _check_member(node: Member, scope: Scope) -> str:
    of, key = check(node.of, scope), check(node.key, scope)
    if node.field and of not in ("map", "any"):
        name = node.key.value if isinstance(node.key, Literal) else ""
        raise ConditionError(f"type {go(of)} has no field {name}")
    if not node.field and of not in ("map", "list", "floats", "any"):
        raise ConditionError(f"type {go(of)} cannot be indexed")
    if (of in ("list", "floats") and key not in ("int", "any")) or (of == "map" and key not in ("string", "any")):
        raise ConditionError(f"type {go(of)} cannot be indexed by {go(key)}")
    return "float" if of == "floats" else "any"


def _check_binary(node: Binary, scope: Scope) -> str:
    left, right, operator = check(node.left, scope), check(node.right, scope), node.operator
    known = "any" not in (left, right)
    numbers = left in (*NUMBERS, "any") and right in (*NUMBERS, "any")
    strings = left in ("string", "any") and right in ("string", "any")
    if operator in ("&&", "||"):
        fits, kind = left in ("bool", "any") and right in ("bool", "any"), "bool"
    elif operator in ("==", "!="):
        alike = left == right or "nil" in (left, right) or {left, right} == {"list", "floats"}
        fits, kind = not known or alike or numbers, "bool"
    elif operator in ("<", ">", "<=", ">="):
        fits, kind = numbers or strings, "bool"
    elif operator == "in":
        keys = {"map": ("string", "any"), "floats": (*NUMBERS, "nil", "any")}.get(right, (left,))
        fits, kind = right in ("list", "floats", "map", "any") and left in keys, "bool"
    elif operator in ("contains", "startsWith", "endsWith", "matches"):
        fits, kind = strings, "bool"
    elif operator == "??":
        fits, kind = True, "any"
    elif operator == "+" and strings:
        fits, kind = True, "string" if known else "any"
    elif operator == "%":
        fits, kind = left in ("int", "any") and right in ("int", "any"), "int"
    else:
        whole = left == right == "int" and operator in ("+", "-", "*")
        fits, kind = numbers, "int" if whole else "float" if known or operator in ("/", "**") else "any"
    return kind if fits else mismatch(operator, left, right)


def _check_call(node: Call, scope: Scope) -> str:
    name, arguments = node.function, node.arguments
    if name not in _FUNCTIONS:
        raise ConditionError(f"unknown name {name} (the simulator knows {', '.join(sorted(_FUNCTIONS))})")
    count, accepted, kind = _FUNCTIONS[name]
    if len(arguments) != count:
        raise ConditionError(f"{name} takes {count} arguments, not {len(arguments)}")
    first = check(arguments[0], scope)
    if accepted and first not in (*accepted, "any"):
        raise ConditionError(f"{name} does not take {go(first)}")
    if accepted == _LISTS and count == 2:
        inner = scope.inside(None, "float" if first == "floats" else "any")
        if check(arguments[1], inner) not in ("bool", "any") and name != "map":
            raise ConditionError(f"the predicate of {name} must be yes or no")
    elif count == 2:
        check(arguments[1], scope)
    return kind
