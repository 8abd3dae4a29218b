"""Which runs are shown, and their table."""

import io
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from serinus.run_table import RECENT_MS, Selection, table, table_lines
from serinus.terminal import Terminal
from serinus_contracts import Run
from serinus_readmodel.overview import Line
from serinus_readmodel.run_view import RunView

from tests.support import RUN, observed, plan, verdict

NOW = RECENT_MS + 1_012_000


def view(name: str, namespace: str = "shop", **fields: Any) -> RunView:
    run: Run = RUN.model_copy(update={"name": name, "namespace": namespace, "uid": f"u-{name}"})
    return RunView(observed(run=run, **fields), plan(), verdict(run=run))


LIVE = view("checkout")
ENDED = view("payments", outcome="aborted", ended=NOW - RECENT_MS + 1_000)
OLD = view("cart", outcome="promoted", ended=NOW - RECENT_MS - 1_000)
ELSEWHERE = view("api", namespace="pay")
ALL = (OLD, ENDED, LIVE, ELSEWHERE)


def names(selection: Selection, **options: bool) -> list[str]:
    return sorted(line.view.observed.run.name for line in selection.lines(ALL, NOW, **options)[0])


def test_what_ended_over_an_hour_ago_is_left_out_and_counted() -> None:
    shown, left_out = Selection().lines(ALL, NOW)
    assert (len(shown), left_out) == (3, 1)
    assert "cart" not in names(Selection())


@pytest.mark.parametrize("selection", [Selection(all_runs=True), Selection(state="promoted")])
def test_it_is_there_for_who_asks_for_it(selection: Selection) -> None:
    assert "cart" in names(selection)


def test_a_program_gets_all() -> None:
    assert names(Selection(), data=True) == ["api", "cart", "checkout", "payments"]


def test_runs_are_chosen_by_namespace_and_by_state_as_a_shell_or_the_table_writes_it() -> None:
    assert names(Selection(of_namespace="pay")) == ["api"]
    stalled = Selection(of_namespace="shop", all_runs=True).lines(ALL, NOW)[0][0].state.word
    for word in (stalled, stalled.replace(" ", "-"), stalled.upper()):
        assert names(Selection(state=f"{word},aborted")) == ["api", "checkout", "payments"]


def printed(shown: list[Line], width: int) -> list[str]:
    out = io.StringIO()
    Terminal(file=out, width=width, force_terminal=True, no_color=True).print(table(shown))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_the_last_column_gives_way_so_that_names_stay_whole(width: int) -> None:
    shown, _ = Selection().lines(ALL, NOW)
    lines = printed(shown, width)
    assert len(lines) == 1 + len(shown)
    assert all(cell_len(line.replace("\x1b[2m", "").replace("\x1b[0m", "")) <= width for line in lines)
    assert all(line.view.observed.run.name in text for line, text in zip(shown, lines[1:], strict=True))


def test_for_a_program_nothing_is_cut_and_each_column_but_the_last_is_one_word() -> None:
    shown, _ = Selection().lines(ALL, NOW)
    header, *rows = table_lines(shown)
    for line, row in zip(shown, rows, strict=True):
        cells = row.split(maxsplit=len(header.split()) - 1)
        assert cells[:2] == [line.view.observed.run.namespace, line.view.observed.run.name]
        assert cells[-1] == line.next


def test_a_state_that_does_not_exist_is_a_usage_error_not_an_empty_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        Selection(state="abortd")
    assert ended.value.exit_code == 2
    assert "on hold" in capsys.readouterr().err
