"""Server-sent events over real HTTP: nothing is missed, also over a lost connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from serinus_console.adapters.follower import Follower
from serinus_console.entrypoints.web.events import opened, stream
from serinus_console.use_cases import position
from serinus_console.use_cases.runs import Runs
from serinus_contracts import DecisionTaken, Event, Keys, VerdictReached
from serinus_contracts.operator_state import OperatorState
from serinus_readmodel.reader.runs import RunReader
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.run_view import RunView
from serinus_runtime.redis import Client

from tests.consoles import Served, Teller, another
from tests.support import RUN, observed, verdict

pytestmark = pytest.mark.anyio
Start = Callable[..., Any]


class Told(NamedTuple):
    event: str
    id: str
    data: Any


@asynccontextmanager
async def listening(console: Served, path: str = "/v1/events", after: str = "") -> AsyncIterator[AsyncIterator[Told]]:
    """A stream of events, from its opening on."""
    headers = {"last-event-id": after} if after else {}
    async with console.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields.get("event") == "heartbeat":
            fields = {}
        elif "event" in fields:
            yield Told(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
            fields = {}


async def take(events: AsyncIterator[Told], count: int) -> list[Told]:
    found: list[Told] = []
    try:
        async with asyncio.timeout(60):
            while len(found) < count:
                found.append(await anext(events))
    except TimeoutError:
        raise AssertionError(f"{count} events were awaited and these came: {found}") from None
    return found


def ends(told: list[Told]) -> list[int]:
    return [one.data["data"]["end"] for one in told if one.event == "verdicts"]


async def test_what_is_told_is_told_as_it_happens(start: Start, teller: Teller) -> None:
    console = await start()
    async with listening(console) as events:
        assert (await take(events, 1))[0].event == "open"
        await teller.live()
        await teller.tell(verdict(end=1000))
        observed, said = await take(events, 2)
    assert (observed.event, observed.data["type"]) == ("rollouts", "dev.serinus.rollout.observed.v1")
    assert ends([said]) == [1000]


async def test_who_comes_back_gets_what_was_told_meanwhile_once_and_in_order(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    async with listening(console) as events:
        await teller.tell(verdict(end=1000))
        last = (await take(events, 2))[-1]
    for end in range(2, 500):
        await teller.tell(verdict(end=1000 * end))
    async with listening(console, after=last.id) as events:
        await teller.tell(verdict(end=500_000))
        told = await take(events, 500)
    assert ends(told) == [1000 * end for end in range(2, 501)]


async def test_a_redis_entry_id_resumes_too(start: Start, teller: Teller) -> None:
    await teller.live()
    first = await teller.tell(verdict(end=1000))
    await teller.tell(verdict(end=2000))
    console = await start()
    async with listening(console, after=first) as events:
        assert ends(await take(events, 2)) == [2000]


async def test_who_comes_back_while_the_console_still_reads_the_runs_misses_nothing(
    client: Client, keys: Keys, teller: Teller
) -> None:
    await teller.live()
    first = await teller.tell(verdict(end=1000))
    await teller.tell(verdict(end=2000))
    runs = Runs()
    told = stream(client, keys, runs, lambda: 5, opened(runs, None, "a"), position.read(first), "full")
    opening = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)
    assert not opening.done()
    await Follower(client, keys, runs, lambda: 5).step()
    assert b"event: open" in await opening
    assert b'"end":2000' in await anext(told)


async def test_who_was_away_for_longer_than_the_stream_is_kept_is_told_of_the_gap(start: Start, teller: Teller) -> None:
    await teller.live()
    first = await teller.tell(verdict(end=1000))
    await teller.tell(verdict(end=2000))
    await teller.client.xtrim(teller.keys.stream("verdicts"), maxlen=1, approximate=False)
    console = await start()
    async with listening(console, after=first) as events:
        told = await take(events, 3)
    assert ("gap", {"stream": "verdicts", "why": "trimmed"}) in [(one.event, one.data) for one in told]


async def test_who_comes_back_after_more_than_is_resent_is_told_once_what_was_left_out(
    start: Start, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serinus_console.entrypoints.web.events.BATCH", 2)
    monkeypatch.setattr("serinus_console.entrypoints.web.events.MAX_RESENT", 4)
    await teller.live()
    for end in range(1, 7):
        await teller.tell(verdict(end=1000 * end))
    console = await start()
    async with listening(console, after="0-0") as events:
        told = await take(events, 7)
        assert [one.event for one in told] == ["open", "rollouts", *["verdicts"] * 4, "gap"]
        assert (told[-1].data, ends(told)) == ({"stream": "verdicts", "why": "too many"}, [1000, 2000, 3000, 4000])
        await teller.tell(verdict(end=7000))
        assert ends(await take(events, 1)) == [7000]
    async with listening(console, after=told[-1].id) as events:
        assert ends(await take(events, 2)) == [7000]


async def test_a_client_with_too_many_streams_is_told_so_and_others_get_theirs(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serinus_console.entrypoints.web.events.MAX_FEEDS_PER_CLIENT", 2)
    console = await start(trusted_proxies="127.0.0.1")
    async with listening(console) as first, listening(console) as second:
        await take(first, 1)
        await take(second, 1)
        refused = await console.get("/v1/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert "2 event streams of 127.0.0.1 are open" in refused.json()["detail"]
        other = {"x-forwarded-for": "192.0.2.7"}
        async with console.http.stream("GET", "/v1/events", headers=other) as answer:
            assert answer.status_code == 200
    await console.until("/metrics/", "serinus_console_feeds 0.0")
    async with listening(console) as events:
        await take(events, 1)


async def test_the_events_of_a_run_are_about_that_run_only(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    await console.until("/v1/runs", "u-1")
    async with listening(console, f"/v1/runs/{RUN.id}/events?data=brief") as events:
        await teller.tell(verdict(run=another("noise")))
        await teller.tell(verdict(end=1000))
        told = (await take(events, 2))[1]
    assert (told.event, told.data) == ("verdicts", {"run": RUN.id})


async def test_what_is_no_position_is_refused(start: Start) -> None:
    console = await start()
    answer = await console.get("/v1/events", headers={"last-event-id": "yesterday"})
    assert answer.status_code == 422
    assert "Last-Event-ID" in answer.json()["detail"]


async def test_a_listener_that_leaves_is_forgotten(start: Start, teller: Teller) -> None:
    console = await start()
    async with listening(console) as events:
        await take(events, 1)
        await console.until("/metrics/", "serinus_console_feeds 1.0")
    await teller.live()
    await console.until("/metrics/", "serinus_console_feeds 0.0")


async def test_a_beat_every_few_seconds_says_how_fresh_what_is_known_is(
    start: Start, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serinus_console.entrypoints.web.events.HEARTBEAT", 0.05)
    now = await teller.now()
    await teller.live()
    console = await start()
    async with console.http.stream("GET", "/v1/events") as answer:
        await teller.tell(verdict(end=now))
        async with asyncio.timeout(60):
            async for line in answer.aiter_lines():
                beat = json.loads(line.removeprefix("data: ")) if '"as_of"' in line else {}
                if beat.get("verdict") == now:
                    break
    assert beat["redis"] is True
    assert beat["now"] - 60_000 < beat["as_of"] <= beat["now"]


async def test_the_end_of_the_console_ends_the_streams(start: Start) -> None:
    console = await start()
    async with listening(console) as events:
        await take(events, 1)
        console.service.stop()
        async with asyncio.timeout(60):
            assert [event async for event in events] == []


async def test_what_is_applied_while_a_plan_or_what_people_decided_is_read_is_kept(
    client: Client, keys: Keys, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await teller.live()
    runs = Runs()
    follower = Follower(client, keys, runs, lambda: 5)
    await follower.step()
    operator, plan_of = RunReader.operator, RunReader.with_plan

    async def slow_operator(reader: RunReader, run: str) -> OperatorState:
        runs.apply(verdict(end=1000))
        return await operator(reader, run)

    async def slow_plan(reader: RunReader, view: RunView) -> RunView:
        found = await plan_of(reader, view)
        runs.apply(verdict(end=2000))
        return found

    monkeypatch.setattr(RunReader, "operator", slow_operator)
    monkeypatch.setattr(RunReader, "with_plan", slow_plan)
    decision = DecisionTaken(
        run=RUN, step=1, action="hold", cause="rule", detail="held", mode="enforce", state="confirmed", decided=1
    )
    for event, end in ((decision, 1000), (observed(resource_version="99"), 2000)):
        await teller.tell(event)
        while (said := runs.histories[RUN.id].view.verdict) is None or said.end < end:
            await follower.step()
        await follower.step()
        said = runs.histories[RUN.id].view.verdict
        assert (said is not None and said.end) == end


async def test_an_entry_or_a_run_that_cannot_be_taken_in_costs_the_page_no_other(
    client: Client, keys: Keys, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = another("spoilt")
    await teller.live()
    await teller.live(spoilt)
    await client.set(keys.control(spoilt.id), "no hash")
    await client.zadd(keys.due, {b"\xff": 1})
    runs = Runs()
    follower = Follower(client, keys, runs, lambda: 5)
    await follower.step()
    assert set(runs.histories) == {RUN.id, spoilt.id}
    assert runs.histories[spoilt.id].view.verdict is None
    applied = runs.apply

    def applying(event: Event) -> RunHistory | None:
        if isinstance(event, VerdictReached) and event.end == 1000:
            raise RuntimeError("a bug")
        return applied(event)

    monkeypatch.setattr(runs, "apply", applying)
    for end in (1000, 2000):
        await teller.tell(verdict(end=end))
    while runs.position["verdicts"].startswith("0"):
        await follower.step()
    said = runs.histories[RUN.id].view.verdict
    assert (said is not None and said.end) == 2000
