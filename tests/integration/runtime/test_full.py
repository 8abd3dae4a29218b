"""A Redis that is full, with the shipped users: what judges, acts and carries commands goes on, and the rest waits."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI, Response
from httpx import ASGITransport, AsyncClient
from redis.exceptions import OutOfMemoryError
from serinus import options
from serinus.adapters.streams import streams
from serinus.board import BoardError
from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.use_cases.ports import Commit
from serinus_collecting.ports import Lease
from serinus_collector.adapters.registry import RedisRegistry as CollectorsRegistry
from serinus_console.adapters.archive import RedisArchive
from serinus_console.adapters.sessions import Sessions
from serinus_console.entrypoints.web.problems import install
from serinus_contracts import DecisionTaken, Keys
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.streams import ANALYZER_GROUP, controller_group
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_judging.run_record import RunRecord
from serinus_notifier.adapters.outbox import RedisOutbox
from serinus_notifier.domain.notifications import Cause, Due
from serinus_notifier.use_cases.inbox import Given
from serinus_readmodel.reader.commands import Commands, ShareIsSentError
from serinus_readmodel.run_view import RunView
from serinus_rollouts.progress import Intent
from serinus_runtime.redis import broker_of
from serinus_runtime.scripts import COMMANDING, Script
from serinus_runtime.streams import MAX_DELIVERIES, GroupReader, ensure_group

from tests.full import FOREIGN, clients, fill_beyond, urls
from tests.support import RUN, command, observed, plan, snapshot, written_verdict

pytestmark = pytest.mark.anyio
__all__ = ["clients", "urls"]
KEYS = Keys()
INTENT = Intent(action="abort", step=1, step_hash="s", cause="v", actor="serinus", detail="d", since=1)
DECISION = DecisionTaken(
    run=RUN, step=1, action="abort", cause="v", detail="d", mode="enforce", state="confirmed", decided=5
)
CAUSE = Cause(
    id="c", kind="held", cluster="test", namespace="shop", name="checkout", run=RUN.id, step=1, since=5, text="d"
)
LARGE = command("override", actor="mallory", change={"description": "x" * 150_000})
ADD = "return redis.call('XADD', KEYS[1], '*', 'n', ARGV[1])"


async def test_a_full_redis_takes_what_judges_acts_and_is_asked_for_and_no_new_snapshot(
    clients: Mapping[str, Any],
) -> None:
    controller, analyzer, admin = clients["controller"], clients["analyzer"], clients["admin"]
    registry = RedisRegistry(controller, KEYS, clock=lambda: 5, max_entries=1000)
    journal = RedisJournal(controller, KEYS, clock=lambda: 5, max_entries=1000)
    collector = CollectorsRegistry(
        clients["collector"], KEYS, clock=lambda: 5, lease_ms=60_000, allowance_ms=0, max_entries=1000
    )
    evidence = RedisEvidence(analyzer, KEYS, clock=lambda: 5, max_entries=1000)
    await ensure_group(analyzer, KEYS.stream("snapshots"), ANALYZER_GROUP)
    await ensure_group(controller, KEYS.stream("commands"), controller_group("test"))
    outbox = RedisOutbox(clients["notifier"], KEYS, lease_ms=60_000)
    await outbox.places()
    await registry.observe(observed(), plan(), 2_000_000, publish=True)
    loaded = await collector.load(RUN.id)
    assert loaded is not None
    look, lease = snapshot(), Lease(RUN.id, 1, 1)
    after = replace(loaded[0], follows=look.end)
    assert await collector.commit(lease, loaded[0], after, look, look.end) == "done"
    ((_, ((entry, _),)),) = await analyzer.xreadgroup(ANALYZER_GROUP, "a", {KEYS.stream("snapshots"): ">"})
    await admin.zadd(KEYS.due, {RUN.id: 1})
    await fill_beyond(admin)

    with pytest.raises(OutOfMemoryError):
        await collector.lease(1)
    with pytest.raises(OutOfMemoryError):
        await collector.commit(lease, after, replace(after, follows=look.end + 1), snapshot(look.end, look.end + 1), 1)
    assert (await collector.load(RUN.id) or loaded)[0] == after, "nothing of it was written"

    await ensure_group(analyzer, KEYS.stream("snapshots"), ANALYZER_GROUP)
    record = RunRecord(through=look.end, evaluations=1, plan=look.plan, evidence=b"\x00\xff")
    assert await evidence.commit([Commit(RUN.id, RunRecord(), record, [written_verdict()], [entry])]) == [True]
    await journal.take_over()
    await RedisArchive(clients["operator"], KEYS, lambda: 5).send(command("abort"))
    cookie = await Sessions(clients["operator"], KEYS, 60).begin("token")
    assert await Sessions(clients["operator"], KEYS, 60).token(cookie) == "token"
    ((_, ((asked, _),)),) = await controller.xreadgroup(controller_group("test"), "a", {KEYS.stream("commands"): ">"})
    await journal.begin(RUN, INTENT, "abort:1:", OperatorState())
    await journal.tell(DECISION, dedupe_key="abort:1:", ends_intent=True)
    await controller.xack(KEYS.stream("commands"), controller_group("test"), asked)
    news = next(one for one in await outbox.news() if one.stream == "decisions")
    assert await outbox.put(news.stream, news.place, news.entries[0], Given([Due(CAUSE, "team", 1)]))
    (due,), _ = await outbox.lease(1)
    await outbox.told(due)
    await registry.observe(observed(resource_version="200", aborting=True), plan(), None, publish=True)
    await registry.retire(observed(resource_version="300", outcome="aborted"))
    with pytest.raises(OutOfMemoryError):
        await admin.set("what", "else")


async def test_who_sends_more_than_a_full_redis_has_room_for_keeps_neither_others_nor_acts_from_it(
    clients: Mapping[str, Any],
) -> None:
    controller, admin, now = clients["controller"], clients["admin"], round(time.time() * 1000)
    journal = RedisJournal(controller, KEYS, clock=lambda: 5, max_entries=1000)
    await ensure_group(controller, KEYS.stream("commands"), controller_group("test"))
    await journal.take_over()
    commands = Commands(clients["operator"], KEYS, "/test")
    await fill_beyond(admin)

    async def send_until_refused(actor: str) -> int:
        for number in range(COMMANDING // 150_000):
            asked = LARGE.model_copy(update={"actor": actor, "id": f"{number:026}"})
            try:
                await commands.send(asked, now)
            except OutOfMemoryError:
                return number
        raise AssertionError("never refused")

    assert 3 < await send_until_refused("mallory") < 10
    await commands.send(command("abort", actor="alice"), now)
    with pytest.raises(ShareIsSentError, match=r"mallory .unverified. has sent so much .* again in a minute"):
        await commands.send(LARGE, now)
    # Nobody verified that it was mallory, and whoever it was, an abort is not kept back by what else was sent.
    await commands.send(LARGE.model_copy(update={"verified": True}), now)
    await commands.send(command("abort", actor="mallory"), now)
    # Who goes by many names comes to the end of what all people have; acts still go, and what is asked is read.
    number = 0
    while await send_until_refused(f"mallory-{number}"):
        number += 1

    async def send_small() -> None:
        for number in range(1_000):
            await commands.send(command("abort", actor=f"bob-{number}", reason="x" * 900), now)

    with pytest.raises(OutOfMemoryError, match="and so is its reserve"):
        await send_small()
    await journal.begin(RUN, INTENT, "abort:1:", OperatorState())
    await journal.tell(DECISION, dedupe_key="abort:1:", ends_intent=True)
    await admin.xtrim(KEYS.stream("commands"), maxlen=0, approximate=False)
    await commands.send(command("abort", actor="bob"), now)


async def test_who_has_sent_their_share_is_told_so_by_the_command_line_and_the_console(
    urls: Mapping[str, str], clients: Mapping[str, Any]
) -> None:
    admin, refused = clients["admin"], FastAPI()
    await fill_beyond(admin)
    view = RunView(observed(), plan())

    async def send_much() -> None:
        async with streams(options.Streams(redis_url=urls["operator"])) as board:
            for _ in range(10):
                await board.send(view, "override", "", {"description": "x" * 150_000})

    with pytest.raises(BoardError, match="has sent so much that others would have no room: nothing was done"):
        await send_much()
    async with streams(options.Streams(redis_url=urls["operator"])) as board:
        await board.send(view, "abort", "", {})

    async def page(*_: Any) -> Response:
        raise AssertionError("below /v1 errors are problems")

    install(refused, page)

    @refused.post("/v1/commands")
    async def send() -> None:
        commands = RedisArchive(clients["operator"], KEYS, lambda: 5)
        for _ in range(10):
            await commands.send(LARGE)

    async with AsyncClient(transport=ASGITransport(refused), base_url="http://console") as http:
        answer = await http.post("/v1/commands")
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "60")
    assert "mallory (unverified) has sent so much" in answer.json()["detail"]


async def test_the_reserve_has_an_end_and_trimming_gives_it_back(clients: Mapping[str, Any]) -> None:
    admin = clients["admin"]
    reserve = 2_000_000
    add, wait = Script(admin, ADD, reserve), Script(admin, ADD)
    most = await fill_beyond(admin)

    async def use_up() -> None:
        for _ in range(2 * reserve // 200_000):
            await add(keys=[KEYS.dead_letters], args=["x" * 200_000])

    with pytest.raises(OutOfMemoryError, match="and so is its reserve"):
        await use_up()
    used = int((await admin.info("memory"))["used_memory"])
    # While one is asked, its 200 kB count as well, and with some servers the buffer that holds them too.
    assert most + reserve - 500_000 < used < most + reserve + 500_000
    with pytest.raises(OutOfMemoryError):
        await wait(keys=[KEYS.dead_letters], args=["x"])
    await admin.lpop(FOREIGN, 100)
    with pytest.raises(OutOfMemoryError):
        await wait(keys=[KEYS.dead_letters], args=["x"])
    await admin.xtrim(KEYS.dead_letters, maxlen=0, approximate=False)
    await wait(keys=[KEYS.dead_letters], args=["x"])


async def test_what_waits_for_room_is_not_counted_against_an_entry(
    urls: Mapping[str, str], clients: Mapping[str, Any]
) -> None:
    stream, admin, controller = KEYS.stream("verdicts"), clients["admin"], clients["controller"]
    broker = broker_of(urls["controller"])
    await broker.connect()
    seen = []

    async def handler(entries: Any) -> None:
        seen.extend(entries)
        await controller.set(KEYS.attempt("test", "u-1"), "x")
        await reader.ack(*(entry.id for entry in entries))

    reader = GroupReader(broker, controller, KEYS, "verdicts", "g", handler, reclaim_after_ms=1)
    await ensure_group(controller, stream, "g")
    await admin.xadd(stream, {"n": 1})
    await controller.xreadgroup("g", "dead", {stream: ">"})
    await fill_beyond(admin)
    while len(seen) < MAX_DELIVERIES + 2:
        try:
            await reader.reclaim_stale()
        except OutOfMemoryError:
            continue
    assert (await admin.xpending(stream, "g"))["pending"] == 1
    await admin.delete(FOREIGN)
    while (await admin.xpending(stream, "g"))["pending"]:
        await reader.reclaim_stale()
    await broker.stop()
    assert await admin.xlen(KEYS.dead_letters) == 0
