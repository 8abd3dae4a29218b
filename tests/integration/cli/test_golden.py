"""What every command prints, word for word: help, tables, YAML, and errors, piped and at 80 columns.

A golden file is what a terminal would show: the command, what it printed, lines of stderr behind `!`, and the exit code
where it is not 0 (`command.assert_golden`).
"""

import asyncio
import json
import os
import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import yaml
from redis.asyncio import Redis
from serinus.adapters.streams import Streams
from serinus.app import ENTRIES, app
from serinus_contracts import (
    Channel,
    Counts,
    DecisionTaken,
    Event,
    Finding,
    Keys,
    Margin,
    MetricVerdict,
    VerdictReached,
)
from serinus_runtime.redis import connected
from typer.testing import CliRunner, Result

from tests.consoles import Teller, another
from tests.integration.cli.command import assert_golden
from tests.support import RUN, observed, verdict
from tests.unit.cli.report.stories import CHAPTERS, at

NOW = 1_012_000
PAYMENTS = another("payments")
HOLD = (
    "hold: analysing, 10 s of at least 20 s, no regression so far; errors 0.33 % against 0.22 % on stable "
    "(3 of 900; 70 of 32,202)"
)
MEMORY = "memory grows 42 % an hour on the canary's pods, 1 % on stable's (3 and 9 pods, p 0.0001)"


def counts(events: int, trials: int) -> Counts:
    return Counts(events=events, trials=trials)


def channel(canary: Counts, stable: Counts, **other: float) -> Channel:
    return Channel.model_validate(
        {"canary": canary, "stable": stable, "margin": Margin(ratio=1.25, absolute=0.001), "log_eprocess": -0.5} | other
    )


def metric(name: str, *run: Channel, **other: object) -> MetricVerdict:
    fields = {"name": name, "label": "ok", "status": "ok", "share": 0.4, "log_eprocess": -0.5, "run": run}
    return MetricVerdict.model_validate(fields | other)


METRICS = (
    metric("errors", channel(counts(3, 900), counts(70, 32_202), low=0.2, high=1.4), label="unclear", critical=True),
    metric(
        "latency",
        channel(counts(61, 900), counts(3_434, 32_202), canary_edge=0.1, stable_edge=0.083, quantile=0.9),
        channel(counts(9, 900), counts(644, 32_202), canary_edge=0.19, stable_edge=0.158, quantile=0.99, high=0.9),
        durations=tuple(
            {"quantile": q, "canary": canary, "stable": stable}
            for q, canary, stable in ((0.5, 0.0424, 0.0418), (0.95, 0.107, 0.1052), (0.99, 0.1904, 0.1911))
        ),
        allowed_slowdown=1.2,
        visible_slowdown=1.32,
    ),
    metric("memory", label="warning", share=0.1),
    metric("success", label="unclear", detail="running; [0.97]; 3 of 5 measured; 1 failed, failureLimit 2"),
    metric("errors above 0.1", channel(counts(3, 900), counts(0, 0)), limit=True),
)
FOUND = Finding(kind="trend", metric="memory", severity="warning", decides=True, text=MEMORY)
DESCRIBED = Finding(kind="statistics", metric="errors", severity="warning", text="errors 0.33 %: z 0.7, p 0.48")


def looks() -> list[VerdictReached]:
    """Three looks; the last one holds and has no descriptions of its own."""
    first = verdict(evaluation=1, end=1_004_000, metrics=METRICS, findings=(FOUND,), log_eprocess=-0.1)
    second = verdict(evaluation=2, end=1_008_000, metrics=METRICS, findings=(FOUND, DESCRIBED), log_eprocess=0.3)
    third = {"evaluation": 3, "described": False, "changed": False, "verdict": "hold", "reason": "before_minimum"}
    return [first, second, verdict(metrics=METRICS, findings=(FOUND,), sentence=HOLD, **third)]


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(f"golden-{os.getpid()}")


def in_redis(url: str, work: Callable[[Redis], Awaitable[object]]) -> None:
    async def run() -> None:
        async with connected(url) as client:
            await work(client)

    asyncio.run(run())


@pytest.fixture(scope="module")
def known(redis_url: str, keys: Keys) -> None:
    """One run that goes on, and one that was aborted at noon."""

    async def tell(client: Redis) -> None:
        teller = Teller(client, keys)
        await teller.live()
        for look in looks():
            await teller.tell(look)
        await teller.journal.remember(RUN, verdict=looks()[-1])
        await teller.ended(PAYMENTS, "aborted")
        act = {"run": PAYMENTS, "step": 1, "action": "abort", "cause": "c", "mode": "enforce", "state": "confirmed"}
        act |= {"actor": "alice", "asked": "abort", "reason": "known issue", "detail": "5 % back to stable"}
        await teller.tell(DecisionTaken.model_validate(act | {"decided": at(75)}))
        await client.delete(keys.ended, keys.story(PAYMENTS.id))
        story = [chapter.model_dump_json().replace('"u-1"', '"u-payments"') for chapter in CHAPTERS]
        await client.rpush(keys.story(PAYMENTS.id), *(one.replace('"checkout"', '"payments"') for one in story))
        await client.zadd(keys.ended, {f"shop/payments {PAYMENTS.id}": at(76)})

    in_redis(redis_url, tell)


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time, and a console and a token of nobody's environment."""
    for module in ("status", "reports"):
        monkeypatch.setattr(f"serinus.{module}.now_ms", lambda: NOW)
    for name in ("SERINUS_CONSOLE", "SERINUS_TOKEN", "SERINUS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def run(redis_url: str, tag: str, *arguments: str) -> Result:
    here = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": tag, "COLUMNS": "80", "NO_COLOR": "1"}
    return CliRunner(env=here).invoke(app, arguments, prog_name="serinus")


def transcript(redis_url: str, tag: str, commands: Sequence[str]) -> str:
    lines: list[str] = []
    for command in commands:
        shown = run(redis_url, tag, *shlex.split(command))
        assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exception
        lines += [f"$ serinus {command}", *shown.stdout.splitlines()]
        lines += [f"! {line}".rstrip() for line in shown.stderr.splitlines()]
        lines += [f"exit code {shown.exit_code}"] if shown.exit_code else []
        lines.append("")
    text = "\n".join(line.rstrip() for line in lines)
    return text.replace(redis_url, "redis://REDIS").replace(tag, "TAG")


@pytest.mark.parametrize("command", ["", *ENTRIES])
def test_help_fits_80_columns_and_is_as_it_was(command: str) -> None:
    text = transcript("redis://nowhere", "none", [f"{command} --help".strip()])
    assert max(map(len, text.splitlines())) <= 80
    assert_golden(f"help/{command or 'serinus'}", text)


READING = {
    "status": (
        "status",
        "status --all",
        "status -o wide --all",
        "status checkout payments",
        "status checkout -o wide",
        "status --state aborted",
        "status --state promoted -n shop",
        "status --state held",
    ),
    "explain-run": ("explain checkout", "explain checkout -o wide"),
    "report": ("report payments", "report payments -o wide", "report checkout --md"),
    "history": ("history", "history -o wide", "history -o yaml", "history nothing"),
}


@pytest.mark.parametrize("name", READING)
def test_what_reads_prints_as_it_did(known: None, redis_url: str, keys: Keys, name: str) -> None:
    assert_golden(name, transcript(redis_url, keys.tag, READING[name]))


@pytest.mark.parametrize("command", ["status", "explain checkout", "report payments", "history"])
def test_yaml_says_what_json_does(known: None, redis_url: str, keys: Keys, command: str) -> None:
    shown = [run(redis_url, keys.tag, *command.split(), "-o", form).stdout for form in ("json", "yaml")]
    assert json.loads(shown[0]) == yaml.safe_load(shown[1])


SUNDAY = Path(__file__).parents[3] / "examples" / "sunday"


def test_files_that_people_write_are_checked_and_imported_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("as-it-is/rollout.yaml", "as-it-is/templates.yaml", "gated/policy.yaml"):
        (tmp_path / Path(file).name).write_text((SUNDAY / file).read_text())
    gated = (SUNDAY / "gated" / "policy.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(gated.replace("interval:", "intervall:"))
    monkeypatch.chdir(tmp_path)
    checked = (
        "validate policy.yaml", "validate policy.yaml --rollout rollout.yaml", "validate policy.yaml wrong.yaml",
        "validate policy.yaml wrong.yaml -o yaml", "validate rollout.yaml", "validate nothing.yaml",
    )  # fmt: skip
    assert_golden("validate", transcript("redis://nowhere", "no-such-tag", checked))
    imported = (
        "import rollout.yaml templates.yaml", "import rollout.yaml", "import policy.yaml", "import nothing.yaml",
    )  # fmt: skip
    assert_golden("import", transcript("redis://nowhere", "no-such-tag", imported))


def test_what_needs_80_columns_keeps_to_them(known: None, redis_url: str, keys: Keys) -> None:
    for command in ("status checkout payments", "report payments", "history"):
        assert max(map(len, run(redis_url, keys.tag, *command.split()).stdout.splitlines())) <= 80


def test_watch_begins_with_what_is_and_tells_each_change_once(
    known: None, redis_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def twice(board: Streams, block_ms: int = 500) -> AsyncGenerator[Sequence[Event], None]:
        again = looks()[-1].model_copy(update={"end": 1_011_000})
        for event in (again, observed(step=2, stage=1, set_weight=25)):
            await board._put(event)
            yield [event]

    monkeypatch.setattr(Streams, "changes", twice)
    assert_golden("watch", transcript(redis_url, keys.tag, ["watch", "watch -o wide"]))
    lines = run(redis_url, keys.tag, "watch", "-o", "json").stdout.splitlines()
    assert [json.loads(line)["run"]["name"] for line in lines] == ["checkout", "checkout"]
    documents = list(yaml.safe_load_all(run(redis_url, keys.tag, "watch", "-o", "yaml").stdout))
    assert documents == [json.loads(line) for line in lines]


def test_acting_says_what_is_wrong_and_how_long_it_waited(known: None, redis_url: str, keys: Keys) -> None:
    wrong = ("hold checkout --timeout 0.1", "hold nothing", "abort payments", "retry checkout", "report nothing")
    assert_golden("acting", transcript(redis_url, keys.tag, wrong))


def test_an_empty_redis_is_told_from_a_wrong_one(redis_url: str) -> None:
    empty = ("status", "history", "explain checkout", "report checkout", "hold checkout", "archive --to /tmp/none")
    nobody = ("--redis-url redis://me:hidden@127.0.0.1:1/0", "--console http://127.0.0.1:1", "--redis-url nowhere")
    asked = [
        *empty,
        *(f"status {place}" for place in nobody),
        "hold x --console http://127.0.0.1:1 --token-file /no/file",
    ]
    assert_golden("nowhere", transcript(redis_url, "no-such-tag", asked))


def test_a_redis_user_without_rights_is_told_which_one_lacks(redis_url: str, keys: Keys) -> None:
    in_redis(
        redis_url, lambda client: client.acl_setuser("guest", enabled=True, passwords=["+secret"], commands=["+ping"])
    )
    guest = redis_url.replace("redis://", "redis://guest:secret@")
    try:
        shown = [run(guest, keys.tag, *command) for command in (["status"], ["hold", "checkout"])]
    finally:
        in_redis(redis_url, lambda client: client.acl_deluser("guest"))
    for one in shown:
        assert one.exit_code == 1
        assert "no permission" in one.stderr
        assert "secret" not in one.stderr


def test_wrong_arguments_say_what_is_right(redis_url: str, keys: Keys) -> None:
    wrong = (
        "stauts", "status -o xml", "status extra", "explain", "hold", "history --outcome lost", "history --limit 0",
        "override checkout --set 5 -m why", "override checkout --set '[' -m why", "hold checkout --timeout soon",
    )  # fmt: skip
    assert_golden("usage", transcript(redis_url, keys.tag, wrong))


def test_the_list_of_commands_says_of_each_what_it_says_of_itself() -> None:
    for name, entry in ENTRIES.items():
        shown = run("redis://nowhere", "none", name, "--help").stdout
        assert entry.help in " ".join(shown.split()), name
        assert f"Example: {entry.example}" in " ".join(shown.split()), name


def test_a_plugin_of_kubectl_says_so() -> None:
    shown = CliRunner().invoke(app, ["status", "--help"], prog_name="kubectl serinus")
    assert shown.stdout.startswith("Usage: kubectl serinus status")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")


def test_no_color_leaves_no_colour(known: None, redis_url: str, keys: Keys, plain: None) -> None:
    here = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag, "TERM": "xterm-256color"}
    for command in (["status"], ["report", "nothing"]):
        coloured = CliRunner(env=here).invoke(app, command, color=True).output
        without = CliRunner(env={**here, "NO_COLOR": ""}).invoke(app, [*command, "--no-color"], color=True).output
        assert "\x1b[3" in coloured
        assert "\x1b[3" not in without
