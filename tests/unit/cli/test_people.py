"""Which run a person's command is for: the one that was named, and no other."""

from types import SimpleNamespace
from typing import Any

import pytest
import typer
from serinus.people import find
from serinus_readmodel.run_view import RunView

from tests.support import RUN, observed, plan


def board(*views: RunView) -> Any:
    return SimpleNamespace(views={view.id: view for view in views})


def run(started: int = 1_000_000, outcome: str | None = None, **changes: Any) -> RunView:
    seen = observed(stage_started=started, outcome=outcome)
    return RunView(seen.model_copy(update={"run": RUN.model_copy(update=changes)}), plan())


def test_a_command_is_for_the_rollout_or_the_whole_id_that_was_named() -> None:
    live = run()
    for text in (RUN.rollout, RUN.name, RUN.id):
        assert find(board(live), text, None) == live


@pytest.mark.parametrize("text", ["", RUN.cluster, RUN.id[:-1], f"{RUN.cluster}/"])
def test_no_command_is_for_a_run_whose_id_only_begins_so(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        find(board(run()), text, None)
    assert f'no run found for "{text}"; available: {RUN.rollout}' in capsys.readouterr().err


def test_of_two_live_runs_of_a_rollout_none_is_chosen_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = run(), run(2_000_000, uid="00000000-0000-4000-8000-000000000002")
    with pytest.raises(typer.Exit):
        find(board(older, newer), RUN.rollout, None)
    assert f"give the id of one: {older.id}, {newer.id}" in capsys.readouterr().err
    assert find(board(older, newer), newer.id, None) == newer


def test_a_retry_is_for_the_last_that_was_aborted_and_a_run_that_has_ended_takes_no_other_command() -> None:
    first, last = run(1, "aborted"), run(9, "aborted", attempt=2)
    assert find(board(first, last), RUN.rollout, None, aborted=True) == last
    for text in (RUN.rollout, last.id):
        with pytest.raises(typer.Exit):
            find(board(first, last), text, None)
