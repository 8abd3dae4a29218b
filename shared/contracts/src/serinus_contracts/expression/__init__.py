"""Conditions of Argo's AnalysisTemplates: the part of their expression language that they use.

The language is that of github.com/expr-lang/expr 1.17 with the functions that Argo Rollouts adds
(`utils/evaluate/evaluate.go`): arithmetic, comparison, `&& || !` and `and or not`, `in`, `? :`, `??`, indexes and
members, literals, `len`, `all`, `any`, `isNaN`, `isInf`, `isNil`, `asFloat`, `asInt`, `default`. Everything else is
refused when it is read, with its column. What is read is bounded, so no expression can hang or exhaust a judge.
"""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

from serinus_contracts.expression.evaluation import Scope, value_of
from serinus_contracts.expression.grammar import ExpressionError, Node, Parser
from serinus_contracts.expression.kinds import check, kind_of

__all__ = ["Expression", "ExpressionError", "ExpressionText", "parse"]


class Expression:
    """A condition on a `result`: one float, a tuple of floats (a vector), or what JSON holds, numbers as floats."""

    def __init__(self, text: str, tree: Node) -> None:
        self.text, self._tree = text, tree
        self._fits: set[str] = set()

    def holds(self, result: Any, operations: list[int] | None = None) -> bool:
        """Whether it is true. `operations`, one number, counts those of conditions that are asked together.

        Raises ExpressionError where Argo's measurement would be an Error: for types that do not fit, even in a branch
        that is not taken, an index out of range, or an outcome that is no bool.
        """
        kind = kind_of(result)
        if kind not in self._fits:
            check(self._tree, kind)
            self._fits.add(kind)
        value = value_of(self._tree, Scope(result, steps=[0] if operations is None else operations))
        if not isinstance(value, bool):
            raise ExpressionError(f"gives {kind_of(value)}, expected true or false")
        return value


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The expression that `text` writes. Raises ExpressionError naming the column and what is wrong there."""
    return Expression(text, Parser(text).whole())


def _readable(text: str) -> str:
    parse(text)
    return text


ExpressionText = Annotated[str, AfterValidator(_readable)]
"""Text that `parse` reads."""
