import ast
import inspect

from serinus_readmodel import state


def texts(node: ast.expr) -> set[str]:
    """The words that an expression may give; none of one that is looked up."""
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_the_list_of_words_has_every_state_that_a_run_can_be_in_and_no_other() -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(state))) if isinstance(node, ast.Call)]
    made = [one.args[0] for one in calls if isinstance(one.func, ast.Name) and one.func.id == "State"]
    words = set[str]().union(*map(texts, made), state._BLIND.values())
    assert sorted(words) == sorted(state.WORDS)
