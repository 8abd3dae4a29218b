"""What kinds of values an operation takes and gives.

One table serves twice, as in expr-lang: before evaluation, where only the kind of the result and of literals is known
and a member of a JSON object may be anything; and on the values themselves.
"""

from typing import Any, NoReturn

from serinus_contracts.expression import FUNCTIONS, PREDICATES, ExpressionError, Node

NUMBERS = ("int", "float")
LISTS = ("list", "floats")
_KINDS = {bool: "bool", int: "int", float: "float", str: "string", dict: "map", list: "list", tuple: "floats"}
_FIRST = {"len": ("string", "map", *LISTS), "all": LISTS, "any": LISTS, "isNaN": NUMBERS, "isInf": NUMBERS}
_GIVES = {"len": "int", "asInt": "int", "asFloat": "float", "default": "any"}


def kind_of(value: Any) -> str:
    """The kind of a value; a tuple is a vector of floats."""
    return "nil" if value is None else _KINDS[type(value)]


def check(node: Node, result: str, element: str = "any") -> str:
    """The kind of a tree before it is evaluated, `any` where only its value will tell. Raises ExpressionError."""
    if node.op == "literal":
        return kind_of(node.value)
    if node.op in ("result", "#"):
        return result if node.op == "result" else element
    if node.op in PREDICATES:
        over = check(node.parts[0], result, element)
        inner = check(node.parts[1], result, _element(node.parts[0], over, result, element))
        return given(node.op, over, inner)
    kinds = [check(part, result, element) for part in node.parts]
    if node.op == "member" and not _may_be(kinds[0], "map"):
        raise ExpressionError(f"type {kinds[0]} has no field {node.parts[1].value}")
    gives = given(node.op, *kinds)
    if node.op == "in":
        given("==", kinds[0], _element(node.parts[1], kinds[1], result, element))
    return _element(node.parts[0], kinds[0], result, element) if node.op == "index" else gives


def _element(of: Node, kind: str, result: str, element: str) -> str:
    """The kind of the elements: known of a vector, and of a written list whose elements are all of one kind."""
    kinds = {check(part, result, element) for part in of.parts} if of.op == "list" else set()
    return "float" if kind == "floats" else kinds.pop() if len(kinds) == 1 else "any"


def given(op: str, *kinds: str) -> str:
    """The kind that an operation gives for these kinds. Raises ExpressionError if it is not defined for them."""
    left, right = (*kinds, "any", "any")[:2]
    if op in FUNCTIONS:
        return _function(op, left, right)
    if op in ("&&", "||", "!", "?:"):
        asked = kinds[:1] if op == "?:" else kinds
        if not all(_may_be(kind, "bool") for kind in asked):
            _mismatch(op, asked)
        return "bool" if op != "?:" else kinds[1] if kinds[1] == kinds[2] else "any"
    if op in ("neg", "pos"):
        return left if _may_be(left, *NUMBERS) else _mismatch(op, kinds)
    if op in ("member", "index"):
        return _got(op, left, right)
    if op in ("list", "??"):
        return "list" if op == "list" else "any"
    return _binary(op, left, right)


def _binary(op: str, left: str, right: str) -> str:
    numbers = _may_be(left, *NUMBERS) and _may_be(right, *NUMBERS)
    strings = _may_be(left, "string") and _may_be(right, "string")
    if op in ("==", "!="):
        fits = numbers or left == right or "any" in (left, right) or "nil" in (left, right)
        return "bool" if fits or {left, right} == set(LISTS) else _mismatch(op, (left, right))
    if op in ("<", ">", "<=", ">="):
        return "bool" if numbers or strings else _mismatch(op, (left, right))
    if op == "in":
        key = {"map": ("string",), "floats": (*NUMBERS, "nil")}.get(right)
        fits = _may_be(right, "map", *LISTS) and (key is None or _may_be(left, *key))
        return "bool" if fits else _mismatch(op, (left, right))
    if op == "+" and strings:
        return "string" if left == right == "string" else "any"
    if not numbers or (op == "%" and "float" in (left, right)):
        _mismatch(op, (left, right))
    if op in ("/", "**"):
        return "float"
    return "int" if left == right == "int" or op == "%" else "any" if "any" in (left, right) else "float"


def _got(op: str, of: str, key: str) -> str:
    if op == "member" and not _may_be(of, "map"):
        raise ExpressionError(f"a {of} has no member")
    if not _may_be(of, "map", *LISTS) or (of in LISTS and not _may_be(key, "int")):
        raise ExpressionError(f"a {of} has no element by {key}")
    if of == "map" and not _may_be(key, "string"):
        raise ExpressionError(f"a map has no element by {key}")
    return "float" if of == "floats" else "any"


def _function(op: str, first: str, second: str) -> str:
    if op in _FIRST and not _may_be(first, *_FIRST[op]):
        raise ExpressionError(f"{op} does not take a {first}")
    if op in PREDICATES and not _may_be(second, "bool"):
        raise ExpressionError(f"{op} needs a condition that is true or false, not a {second}")
    return _GIVES.get(op, "bool")


def _may_be(kind: str, *wanted: str) -> bool:
    return kind == "any" or kind in wanted


def _mismatch(op: str, kinds: tuple[str, ...]) -> NoReturn:
    shown = {"neg": "-", "pos": "+"}.get(op, op)
    raise ExpressionError(f"{shown} is not defined for {' and '.join(kinds)}")
