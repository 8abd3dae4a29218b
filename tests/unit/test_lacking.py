"""The closing table of what was left out."""

from pathlib import Path

import pytest

from tests.lacking import closing_table, lacking


def test_tests_that_want_the_same_are_told_of_together_with_how_many_are_where() -> None:
    helm, redis_cli = "Skipped: for want of helm: install it", "Skipped: for want of redis-cli: install redis-tools"
    skipped = [("tests/b.py::one[x::y]", helm), ("tests/a.py::two", redis_cli), ("tests/b.py::two", helm)]
    assert list(closing_table([*skipped, ("tests/a.py::three", helm)])) == [
        "   3 for want of helm: install it",
        "        1 in tests/a.py",
        "        2 in tests/b.py",
        "   1 for want of redis-cli: install redis-tools",
        "        1 in tests/a.py",
    ]


@pytest.mark.parametrize(
    ("ci", "in_ci", "end"), [("", False, "Skipped"), ("1", True, "Skipped"), ("1", False, "Failed")]
)
def test_a_test_that_lacks_a_server_is_skipped_but_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, in_ci: bool, end: str
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="helm: install it") as raised:
        lacking("helm", "install it", in_ci=in_ci)
    assert type(raised.value).__name__ == end


def test_no_test_of_a_unit_wants_anything_of_the_machine() -> None:
    """CI runs them once, on a bare machine, where they would be left out."""
    words = ("lacking", "servers", "topologies", "browsers", "helm", "k3s", "clocks")
    for file in Path(__file__).parent.rglob("*.py"):
        text = file.read_text()
        assert file == Path(__file__) or not [word for word in words if f"from tests.{word} import" in text], file
