"""What every board must do: that of the streams, and that of a console on the same Redis."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
from serinus.adapters.console import console
from serinus.adapters.streams import streams
from serinus.board import Board, BoardError
from serinus.options import Streams
from serinus_contracts import (
    CommandIssued,
    ControllerStatus,
    DecisionTaken,
    Event,
    Finding,
    Keys,
    RolloutObserved,
    Run,
    from_entry,
)
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.report import Ended
from serinus_runtime.redis import Client

from tests.consoles import TOKEN, Served, Teller, another, served
from tests.support import RUN, observed, plan, verdict
from tests.unit.cli.report.stories import CHAPTERS

pytestmark = pytest.mark.anyio
PAYMENTS = another("payments")
DESCRIBED = Finding(kind="statistics", metric="errors", severity="warning", text="errors: z 3.1")


@pytest.fixture
def teller(client: Client, keys: Keys) -> Teller:
    return Teller(client, keys)


@pytest.fixture
async def one(redis_url: str, keys: Keys) -> AsyncIterator[Served]:
    async with served(redis_url, keys, auth="token") as found:
        yield found


@pytest.fixture(params=["streams", "console"])
async def board(
    request: pytest.FixtureRequest, redis_url: str, keys: Keys, one: Served, tmp_path: Path
) -> AsyncIterator[Board]:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    async with AsyncExitStack() as stack:
        if request.param == "console":
            yield await stack.enter_async_context(console(one.url, tmp_path / "token"))
        else:
            yield await stack.enter_async_context(streams(Streams(redis_url=redis_url, redis_tag=keys.tag)))


async def loaded(board: Board, one: Served, *runs: Run, text: str = "") -> None:
    """Load once the console knows these runs, and this was told of the last."""
    for run in runs:
        await one.until(f"/v1/runs/{run.id}", text if run == runs[-1] else run.id)
    await board.load()


async def told(board: Board, kind: type[Event]) -> Event:
    async with asyncio.timeout(60), aclosing(board.changes(block_ms=50)) as changes:
        async for events in changes:
            for event in events:
                if isinstance(event, kind):
                    return event
    raise AssertionError


async def sent(client: Client, keys: Keys) -> CommandIssued:
    """The one command that was sent."""
    entries: Any = await client.xrange(keys.stream("commands"))
    ((_, fields),) = entries
    return from_entry(CommandIssued, fields).data


def decided(run: Run, cause: str) -> DecisionTaken:
    fields: dict[str, Any] = {"step": 1, "action": "hold", "cause": cause, "detail": "held", "mode": "enforce"}
    return DecisionTaken(run=run, state="confirmed", decided=5, **fields)


async def test_the_runs_that_are_known_are_loaded_with_plan_verdict_and_what_people_asked_for(
    board: Board, teller: Teller, one: Served
) -> None:
    await teller.live()
    await teller.ended(PAYMENTS, "aborted")
    await teller.journal.keep(RUN, OperatorState(held_by="alice: lunch"))
    await teller.tell(verdict())
    await teller.tell(decided(RUN, "c"))
    await loaded(board, one, PAYMENTS, RUN, text='"cause":"c"')
    live, ended = board.views[RUN.id], board.views[PAYMENTS.id]
    assert (live.observed, live.plan, live.verdict) == (observed(), plan(), verdict())
    assert (live.decision, live.operator.held_by) == (decided(RUN, "c"), "alice: lunch")
    assert (ended.observed.outcome, ended.verdict) == ("aborted", None)


async def test_an_abort_that_something_keeps_is_known_beside_what_was_decided_after_it_until_it_is_done(
    board: Board, teller: Teller, one: Served
) -> None:
    await teller.live()
    fields: dict[str, Any] = {"action": "abort", "detail": "abort refused", "decided": 4}
    abort = decided(RUN, "v").model_copy(update=fields | {"state": "waiting"})
    await teller.tell(abort)
    await teller.tell(decided(RUN, "later"))
    await loaded(board, one, RUN, text='"cause":"later"')
    assert (board.views[RUN.id].decision, board.views[RUN.id].waiting) == (decided(RUN, "later"), abort)
    await teller.tell(done := abort.model_copy(update={"state": "confirmed", "decided": 6}))
    assert await told(board, DecisionTaken) == done
    assert board.views[RUN.id].waiting is None


async def test_what_controllers_say_of_themselves_is_read_and_what_is_no_such_word_left_out(
    board: Board, client: Client, keys: Keys, one: Served
) -> None:
    said = ControllerStatus(identity="a", reported=5, led=5, trouble="GET /x: 403", refused=True, since=2, valid_ms=9)
    await client.hset(keys.controllers, mapping={"east": said.model_dump_json(), "west": "{"})
    await one.until("/v1/controllers", "403")
    assert await board.controllers() == {"east": said}


async def test_no_runs_are_no_error(board: Board) -> None:
    await board.load()
    assert (dict(board.views), list(await board.kept())) == ({}, [])


async def test_what_is_told_after_loading_is_told_and_known(board: Board, teller: Teller, one: Served) -> None:
    await teller.live()
    await loaded(board, one, RUN)
    await teller.tell(verdict())
    assert await told(board, type(verdict())) == verdict()
    assert board.views[RUN.id].verdict == verdict()
    await teller.live(PAYMENTS)
    assert isinstance(await told(board, RolloutObserved), RolloutObserved)
    assert board.views[PAYMENTS.id].plan == plan()


async def test_without_loading_what_is_told_from_now_on_is_told(board: Board, teller: Teller, one: Served) -> None:
    await teller.live()
    await teller.tell(verdict(evaluation=1))
    await one.until(f"/v1/runs/{RUN.id}", '"evaluation":1')
    async with asyncio.timeout(60), aclosing(board.changes(block_ms=50)) as changes:
        assert not await anext(changes)
        await teller.tell(verdict(evaluation=2))
        found = [event async for events in until_told(changes) for event in events]
    assert found == [verdict(evaluation=2)]


async def until_told(changes: Any) -> AsyncIterator[Sequence[Event]]:
    async for events in changes:
        yield events
        if events:
            return


async def test_that_nothing_is_told_is_told_too(board: Board, teller: Teller, one: Served) -> None:
    await teller.live()
    await loaded(board, one, RUN)
    async with asyncio.timeout(60), aclosing(board.changes(block_ms=50)) as changes:
        assert not [event async for event in first_empty(changes)]


async def first_empty(changes: Any) -> AsyncIterator[Event]:
    async for events in changes:
        if not events:
            return
        for event in events:
            yield event


async def test_verdicts_of_a_run_come_the_oldest_first_with_the_plan_that_they_rest_on(
    board: Board, teller: Teller, one: Served
) -> None:
    await teller.live()
    await teller.live(PAYMENTS)
    looks = [verdict(evaluation=look, end=1_000_000 + look) for look in (1, 2, 3)]
    for look in (*looks, verdict(run=PAYMENTS)):
        await teller.tell(look)
    await loaded(board, one, RUN, text='"evaluation":3')
    assert list(await board.verdicts(RUN.id)) == looks
    assert await board.plan(looks[-1]) == plan()


async def test_descriptions_are_those_of_the_newest_verdict_that_has_any(
    board: Board, teller: Teller, one: Served, client: Client, keys: Keys
) -> None:
    await teller.live()
    await client.rpush(keys.story(RUN.id), CHAPTERS[0].model_dump_json())
    silent = verdict(evaluation=10, end=1_020_000, described=False)
    for said in (verdict(evaluation=9, findings=(DESCRIBED,)), silent):
        await teller.tell(said)
    await teller.journal.remember(RUN, verdict=silent)
    await loaded(board, one, RUN, text='"evaluation":10')
    assert board.views[RUN.id].findings == (DESCRIBED,)
    report = await board.report(RUN.id)
    assert report is not None
    assert report.verdict == silent.model_copy(update={"findings": (DESCRIBED,)})


async def test_reports_are_kept_of_live_runs_and_then_of_ended_ones(
    board: Board, teller: Teller, one: Served, client: Client, keys: Keys
) -> None:
    await teller.live()
    await teller.ended(PAYMENTS, "promoted")
    await client.rpush(
        keys.story(RUN.id), CHAPTERS[0].model_dump_json(), Ended(at=9, outcome="promoted").model_dump_json()
    )
    await loaded(board, one, PAYMENTS, RUN)
    kept = await board.kept()
    assert [(one.rollout, one.run, one.ended is None) for one in kept] == [
        ("shop/checkout", RUN.id, True),
        ("shop/payments", PAYMENTS.id, False),
    ]
    report = await board.report(RUN.id)
    assert report is not None
    assert report.plan == plan()
    assert await board.report("test/u-9/none/1") is None


async def test_what_a_person_asks_for_is_a_command_and_its_answer_is_not_missed(
    board: Board, teller: Teller, one: Served, client: Client, keys: Keys
) -> None:
    await teller.live()
    await loaded(board, one, RUN)
    name = await board.send(board.views[RUN.id], "hold", "lunch", {})
    await teller.tell(decided(RUN, name))
    command = await sent(client, keys)
    assert (command.id, command.run, command.step, command.verb, command.reason) == (name, RUN, 1, "hold", "lunch")
    assert await told(board, DecisionTaken) == decided(RUN, name)


async def test_an_advance_is_forced_where_that_is_said(
    board: Board, teller: Teller, one: Served, client: Client, keys: Keys
) -> None:
    await teller.live(stage_started=await teller.now())
    await loaded(board, one, RUN)
    await board.send(board.views[RUN.id], "advance", "", {}, force=True)
    assert (await sent(client, keys)).force


async def test_who_asks_a_console_is_verified_or_refused(
    teller: Teller, one: Served, redis_url: str, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await teller.live()
    await one.until("/v1/runs", RUN.id)
    said = {"": "set SERINUS_TOKEN", "forged-forged-forged": "does not take this token: invalid or expired token"}
    for token, why in said.items():
        monkeypatch.setenv("SERINUS_TOKEN", token)
        async with console(one.url, None) as board:
            await board.load()
            with pytest.raises(BoardError, match=why):
                await board.send(board.views[RUN.id], "hold", "", {})
    async with served(redis_url, keys) as open_to_all:
        await open_to_all.until("/v1/runs", RUN.id)
        async with console(open_to_all.url, None) as board:
            await board.load()
            with pytest.raises(BoardError, match="not allowed: this console is read-only"):
                await board.send(board.views[RUN.id], "hold", "", {})
    monkeypatch.setenv("SERINUS_TOKEN", TOKEN)
    async with console(one.url, None) as board:
        await board.load()
        with pytest.raises(BoardError, match="only an aborted run can be tried again"):
            await board.send(board.views[RUN.id], "retry", "", {})
        await board.send(board.views[RUN.id], "hold", "", {})
    assert (await sent(client, keys)).verified
