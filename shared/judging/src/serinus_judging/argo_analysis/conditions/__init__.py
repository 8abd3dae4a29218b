"""Answering conditions of Argo's AnalysisTemplates, as Argo does; their language is read by contracts."""

from functools import lru_cache
from typing import Any

from serinus_contracts.expression import ExpressionError, Node, parse_tree

from serinus_judging.argo_analysis.conditions.evaluation import Scope, value_of
from serinus_judging.argo_analysis.conditions.kinds import check, kind_of

__all__ = ["Expression", "ExpressionError", "parse"]


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


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The expression that `text` writes. Raises ExpressionError naming the column and what is wrong there."""
    return Expression(text, parse_tree(text))
