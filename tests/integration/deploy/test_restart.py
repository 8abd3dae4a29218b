"""What the services have written survives a Redis that is killed, with the users file to the letter."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from redis.exceptions import ClusterDownError
from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.use_cases.ports import Commit
from serinus_collector.adapters.registry import RedisRegistry as CollectorsRegistry
from serinus_console.adapters.archive import RedisArchive
from serinus_console.adapters.sessions import Sessions
from serinus_contracts import DecisionTaken, Keys
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.streams import ANALYZER_GROUP, Stream, controller_group
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_judging.run_record import RunRecord
from serinus_notifier.adapters.outbox import RedisOutbox
from serinus_notifier.domain.notifications import Cause, Due
from serinus_notifier.use_cases.inbox import Given
from serinus_rollouts.progress import Intent
from serinus_runtime import scripts
from serinus_runtime.redis import Client, connected
from serinus_runtime.streams import ensure_group

from tests.guarded import ADMIN, SERVICES, addresses, users_file
from tests.servers import RedisServer, redis_binary, valkey_binary, wait_until
from tests.support import RUN, command, observed, plan, snapshot, verdict, written_verdict
from tests.topologies import cluster_nodes, cluster_url, started
from tests.unit.rollouts.objects import at

pytestmark = pytest.mark.anyio
KEYS = Keys()
FOLLOWER = "user replication on >replication -@all +psync +replconf +ping"
Made = tuple[list[RedisServer], str]


@contextmanager
def one(folder: Path, binary: str) -> Iterator[Made]:
    with started(RedisServer(binary, folder, aclfile=str(users_file(folder, ADMIN)))) as server:
        yield [server], server.url


@contextmanager
def a_cluster(folder: Path) -> Iterator[Made]:
    with cluster_nodes(folder) as nodes:
        users = str(users_file(folder, ADMIN))
        for node in nodes:
            node.kill()
            node.options["aclfile"] = users
            node.start()
        yield nodes, cluster_url(nodes)


KINDS: Mapping[str, Callable[[Path], AbstractContextManager[Made]]] = {
    "server": lambda folder: one(folder, redis_binary()),
    "valkey": lambda folder: one(folder, valkey_binary()),
    "cluster": a_cluster,
}


async def read(client: Client, stream: Stream, group: str) -> bytes:
    """The one entry of a stream, by one of its group."""
    ((_, ((entry, _),)),) = cast(Any, await client.xreadgroup(group, "a", {KEYS.stream(stream): ">"}))
    return bytes(entry)


async def work(clients: Mapping[str, Client]) -> None:
    """One look on its way through all services, a run that ends, and what people do beside it."""
    controller, analyzer, notifier, operator = (
        clients[name] for name in ("controller", "analyzer", "notifier", "operator")
    )
    registry = RedisRegistry(controller, KEYS, clock=lambda: 5, max_entries=1000)
    journal = RedisJournal(controller, KEYS, clock=lambda: 5, max_entries=1000)
    for stream, group, client in (
        ("snapshots", ANALYZER_GROUP, analyzer), ("verdicts", controller_group("test"), controller),
        ("commands", controller_group("test"), controller),
    ):  # fmt: skip
        await ensure_group(client, KEYS.stream(stream), group)  # type: ignore[arg-type]
    outbox = RedisOutbox(notifier, KEYS, lease_ms=60_000)
    await outbox.places()
    await journal.take_over()
    await registry.attempt("test", at())
    await registry.observe(observed(), plan(), 2_000_000, publish=True)
    gone = RUN.model_copy(update={"uid": "u-2"})
    await registry.observe(observed(run=gone), plan(), None, publish=True)
    await registry.retire(observed(run=gone, outcome="promoted"))
    collector = CollectorsRegistry(
        clients["collector"], KEYS, clock=lambda: 5, lease_ms=60_000, allowance_ms=0, max_entries=1000
    )
    while not (leased := await collector.lease(1))[0]:
        await anyio.sleep(leased[1])
    (lease,) = leased[0]
    loaded = await collector.load(RUN.id)
    assert loaded is not None
    look = snapshot()
    state = loaded[0]
    assert await collector.commit(lease, state, replace(state, follows=look.end), look, look.end + 1000) == "done"
    evidence = RedisEvidence(analyzer, KEYS, clock=lambda: 5, max_entries=1000)
    entries = await read(analyzer, "snapshots", ANALYZER_GROUP)
    record = RunRecord(through=look.end, evaluations=1, plan=look.plan, evidence=b"\x00\xff")
    assert await evidence.commit([Commit(RUN.id, RunRecord(), record, [written_verdict()], [entries])]) == [True]
    await journal.keep(RUN, OperatorState(held_by="alice (lunch)"))
    await journal.remember(RUN, verdict=verdict())
    intent = Intent(action="advance", step=1, step_hash="s", cause="v", actor="serinus", detail="d", since=1)
    await journal.begin(RUN, intent, "advance:1:", OperatorState(held_by="alice (lunch)"))
    decision = DecisionTaken(
        run=RUN, step=1, action="hold", cause="v", detail="d", mode="enforce", state="confirmed", decided=5
    )
    await journal.tell(decision, dedupe_key="hold:1:d")
    await RedisArchive(operator, KEYS, lambda: 5).send(command("hold"))
    await Sessions(operator, KEYS, 60_000).begin("token")
    asked = await read(controller, "commands", controller_group("test"))
    dead_letter = scripts.load(controller, "serinus_runtime", "dead_letter")
    commands = KEYS.stream("commands")
    args = [controller_group("test"), asked, 1000, "error", "unread"]
    assert await dead_letter(keys=[commands, KEYS.dead_letters], args=args) == 1
    told = next(one for one in await outbox.news() if one.stream == "decisions")
    cause = Cause(
        id="c", kind="held", cluster="test", namespace="shop", name="checkout", run=RUN.id, step=1, since=5, text="d"
    )
    given = Given([Due(cause, "team", 1), Due(cause, "boss", 9 << 40)])
    assert await outbox.put("decisions", told.place, told.entries[0], given)
    (due,), _ = await outbox.lease(1)
    await outbox.told(due)


async def serves(url: str) -> None:
    """Wait for a Cluster whose nodes have found each other again."""
    with anyio.fail_after(60):
        async with connected(addresses(url)["reader"]) as reader:
            while True:
                with suppress(ClusterDownError):
                    await reader.xlen(KEYS.dead_letters)
                    return
                await anyio.sleep(0.05)


async def contents(url: str) -> dict[str, Any]:
    """Every key with all that is in it."""
    found: dict[str, Any] = {}
    async with connected(addresses(url)["admin"]) as reader:
        async for key in reader.scan_iter(count=1000):
            kind = cast(bytes, await reader.type(key)).decode()
            match kind:
                case "string":
                    found[key.decode()] = await reader.get(key)
                case "hash":
                    found[key.decode()] = await reader.hgetall(key)
                case "list":
                    found[key.decode()] = await reader.lrange(key, 0, -1)
                case "zset":
                    found[key.decode()] = await reader.zrange(key, 0, -1, withscores=True)
                case "stream":
                    found[key.decode()] = await reader.xrange(key)
            if kind == "stream":
                groups = [{name: group[name] for name in ("name", "pending", "last-delivered-id")}
                          for group in await reader.xinfo_groups(key)]  # fmt: skip
                found[f"{key.decode()} groups"] = groups
    return found


async def all_written(url: str) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        urls = addresses(url)
        await work({name: await stack.enter_async_context(connected(urls[name])) for name in SERVICES})
    found = await contents(url)
    kinds = {key.split(":")[1] for key in found}
    assert kinds >= {
        "rollouts", "snapshots", "verdicts", "decisions", "commands", "dead-letters", "due", "run", "window", "plan",
        "evidence", "control", "story", "ended", "attempt", "term", "session", "notify",
    }  # fmt: skip
    return found


@pytest.mark.parametrize("kind", ["server", "valkey", pytest.param("cluster", marks=pytest.mark.long)])
async def test_a_redis_that_is_killed_and_started_again_on_its_file_has_all_that_was_written(
    tmp_path: Path, kind: str
) -> None:
    with KINDS[kind](tmp_path) as (servers, url):
        await serves(url)
        before = await all_written(url)
        for server in servers:
            server.kill()
        for server in servers:
            server.start()
            assert "CRITICAL" not in (server.folder / "server.log").read_text()
        await serves(url)
        assert await contents(url) == before


@pytest.mark.long
async def test_a_replica_that_has_to_go_on_alone_has_all_that_was_written(tmp_path: Path) -> None:
    with ExitStack() as stack:
        users, folders = str(users_file(tmp_path, ADMIN, FOLLOWER)), [tmp_path / name for name in ("master", "replica")]
        for folder in folders:
            folder.mkdir()
        master = stack.enter_context(started(RedisServer(redis_binary(), folders[0], aclfile=users)))
        options = {"masteruser": "replication", "masterauth": "replication", "aclfile": users}
        replica = RedisServer(redis_binary(), folders[1], replicaof=f"127.0.0.1 {master.port}", **options)
        stack.enter_context(started(replica))
        log = replica.folder / "server.log"
        wait_until(lambda: "sync: Finished with success" in log.read_text(), 60, "the replica to follow")
        before = await all_written(master.url)
        with anyio.fail_after(60):
            while await contents(replica.url) != before:
                await anyio.sleep(0.05)
        for server in (master, replica):
            server.kill()
        del replica.options["replicaof"]
        replica.start()
        assert "CRITICAL" not in log.read_text()
        assert await contents(replica.url) == before
