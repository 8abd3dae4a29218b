"""The command line against a real Redis."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from serinus_contracts import CommandIssued, DecisionTaken, Keys, from_entry, seal, to_entry
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_readmodel.reader.commands import VALID_MS
from serinus_runtime.redis import Client
from serinus_runtime.redis_clock import RedisClock

from tests.integration.cli.command import serinus
from tests.lacking import lacking
from tests.servers import free_port
from tests.support import RUN, observed, plan, verdict

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def told(client: Client, keys: Keys) -> None:
    """One live run with a verdict, and one that has ended."""
    registry = RedisRegistry(client, keys, clock=lambda: 5, max_entries=100)
    journal = RedisJournal(client, keys, clock=lambda: 5, max_entries=100)
    ended = RUN.model_copy(update={"name": "payments", "uid": "u-2"})
    for run in (RUN, ended):
        await registry.observe(observed(run=run), plan(), None, publish=True)
    await registry.retire(observed(run=ended, outcome="aborted"))
    await journal.remember(RUN, verdict=verdict())
    entry: dict[Any, Any] = dict(to_entry(seal(verdict(), source="/serinus/analyzer", now=0)))
    await client.xadd(keys.stream("verdicts"), entry)


async def test_status_shows_each_run_with_its_sentence_and_what_happens_next(
    told: None, redis_url: str, keys: Keys
) -> None:
    shown = serinus("status", "shop/checkout", "payments", "--redis-url", redis_url, "--redis-tag", keys.tag)
    assert shown.returncode == 0
    assert "▲ shop/checkout  ━╌╌ 5 %" in shown.stdout
    assert "proceed: 10 s at 5 %, no regression seen" in shown.stdout
    assert "next  stays at this weight until the analysis resumes" in shown.stdout, "the verdict is of 1970"
    assert "✖ shop/payments  aborted" in shown.stdout
    assert "new against old, attempt 1 · policy shop (enforce)" in shown.stdout


async def test_status_is_a_line_a_run_that_a_program_can_cut(told: None, redis_url: str, keys: Keys) -> None:
    shown = serinus("status", "--all", "-n", "shop", "--redis-url", redis_url, "--redis-tag", keys.tag)
    rows = [line.split()[:4] for line in shown.stdout.splitlines()]
    header = ["NAMESPACE", "NAME", "STATE", "WEIGHT"]
    assert rows == [header, ["shop", "checkout", "analysis-stalled", "5%"], ["shop", "payments", "aborted", "-"]]


async def test_status_for_a_program_is_json(told: None, redis_url: str, keys: Keys) -> None:
    shown = serinus("status", "-o", "json", SERINUS_REDIS_URL=redis_url, SERINUS_REDIS_TAG=keys.tag)
    runs = {run["observed"]["run"]["name"]: run for run in json.loads(shown.stdout)}
    assert runs["checkout"]["verdict"]["verdict"] == "proceed"
    assert runs["payments"]["next"] == "done: all traffic is back on stable"
    assert runs["payments"]["verdict"] is None
    assert runs["payments"]["state"] == "aborted"


async def test_an_empty_redis_says_what_is_missing(redis_url: str, keys: Keys) -> None:
    shown = serinus("status", "--redis-url", redis_url, "--redis-tag", keys.tag)
    assert (shown.returncode, shown.stdout) == (0, "no runs yet\n")
    assert "Is a controller running" in shown.stderr


def test_a_redis_that_is_not_there_is_an_error_with_the_way_out_and_without_the_password() -> None:
    shown = serinus("status", "--redis-url", f"redis://me:hidden@127.0.0.1:{free_port()}/0")
    assert shown.returncode == 1
    assert "Give its address by --redis-url or SERINUS_REDIS_URL." in shown.stderr
    assert "hidden" not in shown.stderr


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    assert serinus("frobnicate").returncode == 2
    assert serinus("version").stdout == "serinus 0.1.0\n"


@pytest.mark.parametrize("command", ["demo", "status", "watch", "version", "report", "history", "archive"])
def test_help_ends_with_an_example(command: str) -> None:
    assert f"Example: serinus {command}" in serinus(command, "--help").stdout


async def first_lines(redis_url: str, keys: Keys, *command: str, until: str) -> str:
    """What a subscriber that never ends prints, up to a line."""
    environment = {**os.environ, "SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    lines = ""
    try:
        async with asyncio.timeout(60):
            while until not in lines:
                line = await process.stdout.readline()
                assert line, lines
                lines += line.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return lines


async def test_a_subscriber_that_knows_only_cloudevents_reads_the_verdicts(
    told: None, redis_url: str, keys: Keys
) -> None:
    script = ROOT / "examples" / "subscribe" / "verdicts.py"
    shown = await first_lines(redis_url, keys, sys.executable, str(script), until="\n")
    assert shown.endswith(" checkout proceed: 10 s at 5 %, no regression seen\n")


async def test_a_subscriber_that_knows_only_redis_cli_reads_the_verdicts(
    told: None, redis_url: str, keys: Keys
) -> None:
    if which("redis-cli") is None:
        lacking("redis-cli", "apt-get install redis-tools")
    script = ROOT / "examples" / "subscribe" / "verdicts.sh"
    assert "verdict\nproceed\n" in await first_lines(redis_url, keys, "sh", str(script), until="reason\n")


@pytest.mark.parametrize("command", [("status", "-o", "json"), ("watch",), ("watch", "-o", "yaml")])
async def test_a_reader_that_goes_is_not_taken_for_a_fault_of_redis(
    told: None, client: Client, redis_url: str, keys: Keys, command: tuple[str, ...]
) -> None:
    environment = {**os.environ, "SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag}
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from serinus.app import main; main()", *command),
        env=environment,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    os.close(reading)
    async with asyncio.timeout(60):
        while process.returncode is None:
            # What is told again, a watch prints.
            verdict: Any = (await client.xrevrange(keys.stream("verdicts"), count=1))[0][1]  # type: ignore[index]
            await client.xadd(keys.stream("verdicts"), verdict)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.2)
    assert process.stderr is not None
    assert (process.returncode, await process.stderr.read()) == (141, b"")


async def test_a_command_expires_by_redis_clock_whatever_the_senders_says(
    told: None, client: Client, redis_url: str, keys: Keys
) -> None:
    wrong = "import time; time.time_ns = lambda: 0"
    where = ("--redis-url", redis_url, "--redis-tag", keys.tag)
    sent = serinus("hold", "shop/checkout", "--timeout", "0", *where, before=wrong)
    assert sent.returncode == 4, sent.stderr
    entries: Any = await client.xrange(keys.stream("commands"))
    ((_, fields),) = entries
    left = from_entry(CommandIssued, fields).data.expires - await RedisClock(client, keys)()
    assert 0 < left <= VALID_MS


@pytest.mark.parametrize(("ends", "code"), [(True, 0), (False, 4)])
async def test_who_asks_for_an_abort_that_is_under_way_is_told_what_keeps_it_and_then_its_end(
    told: None, client: Client, keys: Keys, redis_url: str, ends: bool, code: int
) -> None:
    journal = RedisJournal(client, keys, clock=lambda: 5, max_entries=100)
    arguments = ["abort", "checkout", "--timeout", "60" if ends else "5", "--redis-url", redis_url]
    shown = asyncio.create_task(asyncio.to_thread(serinus, *arguments, "--redis-tag", keys.tag))
    entries: Any = []
    async with asyncio.timeout(60):
        while not entries:
            entries = await client.xrange(keys.stream("commands"))
            await asyncio.sleep(0.02)
    asked = from_entry(CommandIssued, entries[0][1]).data
    kept = "abort by serinus is under way: abort accepted; Argo has not carried it out yet: InvalidSpec: no Service"
    fields: dict[str, Any] = {"run": RUN, "step": 1, "action": "abort", "mode": "enforce", "decided": 5}
    await journal.tell(DecisionTaken(cause=asked.id, detail=kept, state="waiting", **fields), dedupe_key="")
    if ends:
        await journal.tell(
            DecisionTaken(cause="v", detail="errors doubled", state="confirmed", **fields), dedupe_key=""
        )
    done = await shown
    assert f"shop/checkout: waiting: {kept}" in done.stdout
    assert ("errors doubled" in done.stdout, done.returncode) == (ends, code), done.stderr
    assert ("still in progress after 5 s" in done.stderr) is not ends


@pytest.mark.parametrize("narrowing", [("-n", "elsewhere"), ("--state", "promoted")])
async def test_a_run_that_is_named_is_still_chosen_by_namespace_and_state(
    told: None, redis_url: str, keys: Keys, narrowing: tuple[str, str]
) -> None:
    shown = serinus("status", "payments", *narrowing, "--redis-url", redis_url, "--redis-tag", keys.tag)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert 'no run found for "payments"' in shown.stderr
