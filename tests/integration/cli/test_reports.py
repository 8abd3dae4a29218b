"""Stories as the controller writes them, and reports, history and archive as people ask for them."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from serinus_contracts import DecisionTaken, Keys, Run
from serinus_contracts.report import Report
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.redis import Client

from tests.integration.cli.command import serinus
from tests.support import RUN, observed, plan, stage, verdict

pytestmark = pytest.mark.anyio
Live = Callable[..., Awaitable[Run]]


class Controller:
    """What the controller writes of runs."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.registry = RedisRegistry(client, keys, clock=lambda: 5, max_entries=100)
        self.journal = RedisJournal(client, keys, clock=lambda: 5, max_entries=100)

    async def begin(self, name: str = "checkout", attempt: int = 1) -> Run:
        """A run with two stages and two looks."""
        run = RUN.model_copy(update={"name": name, "uid": f"u-{name}", "attempt": attempt})
        await self.registry.observe(observed(run=run, steady=False, stage=-1), plan(), None, publish=True)
        await self.registry.observe(observed(run=run), plan(), None, publish=True)
        await self.registry.observe(observed(run=run), plan(), 1_000_500, publish=False)
        second = observed(run=run, resource_version="11", stage=1, step=3, set_weight=25, stage_started=1_020_000)
        await self.journal.remember(run, verdict=verdict(run=run))
        await self.tell(run, "advance")
        await self.registry.observe(second, plan(), None, publish=True)
        await self.journal.remember(
            run, verdict=verdict(run=run, end=1_030_000, stage=1, weight=25, evaluated_requests=9_000)
        )
        return run

    async def tell(self, run: Run, action: str, **other: Any) -> None:
        fields = {"run": run, "step": 1, "action": action, "cause": "c", "detail": f"{action}: so"}
        fields |= {"mode": "enforce", "state": "confirmed", "decided": 1_015_000}
        await self.journal.tell(DecisionTaken.model_validate(fields | other), dedupe_key="")

    async def end(self, run: Run, outcome: str = "promoted") -> None:
        await self.registry.retire(observed(run=run, outcome=outcome))


@pytest.fixture
def controller(client: Client, keys: Keys) -> Controller:
    return Controller(client, keys)


@pytest.fixture
def here(redis_url: str, keys: Keys) -> dict[str, str]:
    return {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag}


def reported(here: dict[str, str], run: str, *options: str) -> Report:
    shown = serinus("report", run, "-o", "json", *options, **here)
    assert shown.returncode == 0, shown.stderr
    return Report.model_validate_json(shown.stdout)


async def test_a_run_that_goes_on_is_reported_from_its_beginning(controller: Controller, here: dict[str, str]) -> None:
    run = await controller.begin()
    found = reported(here, "checkout")
    assert (found.run, found.outcome, found.evaluated_requests, found.plan) == (run, None, 9_000, plan())
    assert [(one.at, one.weight) for one in found.stages] == [(1_000_000, 5), (1_020_000, 25)]
    assert [one.action for one in found.decisions] == ["advance"]
    assert len(found.evidence) == 2


async def test_an_ended_run_keeps_its_story_and_what_is_told_after_its_end(
    controller: Controller, here: dict[str, str], client: Client, keys: Keys
) -> None:
    run = await controller.begin()
    await controller.end(run, "aborted")
    await controller.end(run, "deleted")
    await controller.tell(run, "abort", detail="abort: errors")
    found = reported(here, "shop/checkout")
    assert (found.outcome, found.why) == ("aborted", "abort: errors")
    assert found.verdict is not None
    assert 29 * 86_400 < await client.ttl(keys.story(run.id)) <= 30 * 86_400
    assert await client.ttl(keys.run(run.id)) <= 7 * 86_400


async def test_a_changed_plan_is_a_chapter_of_the_same_run(controller: Controller, here: dict[str, str]) -> None:
    run = await controller.begin()
    other = plan(stages=(stage(5, 0), stage(25, 2), stage(60, 4)))
    edited = observed(run=run, resource_version="12", plan=other.digest)
    await controller.registry.observe(edited, other, None, publish=True)
    assert reported(here, run.id).plan == other


async def test_what_is_told_of_a_run_without_a_story_leaves_nothing_behind(
    controller: Controller, client: Client, keys: Keys
) -> None:
    await controller.tell(RUN, "abort")
    assert await client.exists(keys.story(RUN.id)) == 0


async def test_a_name_means_the_run_that_goes_on_and_else_the_last_that_ended(
    controller: Controller, here: dict[str, str]
) -> None:
    for attempt in (1, 2):
        await controller.end(await controller.begin(attempt=attempt))
    assert reported(here, "checkout").run.attempt == 2
    await controller.begin(attempt=3)
    assert reported(here, "checkout").outcome is None
    assert reported(here, "test/u-checkout/new/1").run.attempt == 1


async def test_a_run_that_is_not_known_or_not_the_only_one_is_an_error_with_the_way_out(
    controller: Controller, here: dict[str, str]
) -> None:
    await controller.begin()
    await controller.begin("payments")
    unknown = serinus("report", "nothere", **here)
    assert (unknown.returncode, unknown.stderr) == (
        1,
        'error: no run found for "nothere"; available: shop/checkout, shop/payments\n',
    )
    several = serinus("report", "test/u-", **here)
    assert several.returncode == 1
    assert several.stderr.startswith("error: several runs begin with test/u-: ")
    assert "test/u-payments/new/1" in several.stderr


async def test_a_page_and_a_comment_are_written_from_the_same_report(
    controller: Controller, here: dict[str, str], tmp_path: Path
) -> None:
    await controller.end(await controller.begin())
    file = tmp_path / "report.html"
    assert serinus("report", "checkout", "--html", str(file), **here).stdout == f"wrote {file}\n"
    assert file.read_text().startswith("<!doctype html>")
    assert serinus("report", "checkout", "--md", **here).stdout.startswith("### ✔ shop/checkout promoted\n")
    nowhere = serinus("report", "checkout", "--html", str(tmp_path / "no" / "such.html"), **here)
    assert (nowhere.returncode, "No such file" in nowhere.stderr) == (1, True)


async def test_history_lists_what_has_ended_the_newest_first(controller: Controller, here: dict[str, str]) -> None:
    for name, outcome in (("checkout", "promoted"), ("payments", "aborted")):
        run = await controller.begin(name)
        if outcome == "aborted":
            await controller.tell(run, "abort", detail="abort by alice (pager)", actor="alice")
        await controller.end(run, outcome)
    await controller.begin("search")
    found = json.loads(serinus("history", "-o", "json", **here).stdout)
    assert [(one["rollout"], one["outcome"]) for one in found] == [
        ("shop/payments", "aborted"),
        ("shop/checkout", "promoted"),
    ]
    assert (found[0]["why"], found[0]["people"]) == ("abort by alice (pager)", ["alice"])
    only = json.loads(serinus("history", "--outcome", "promoted", "-o", "json", **here).stdout)
    assert [one["rollout"] for one in only] == ["shop/checkout"]
    shown = serinus("history", "payments", COLUMNS="80", **here).stdout.splitlines()
    assert len(shown) == 2
    assert "shop/payments  ✖ aborted" in shown[1]
    assert serinus("history", "--outcome", "lost", **here).returncode == 2


async def test_an_empty_history_says_so(here: dict[str, str]) -> None:
    assert serinus("history", **here).stdout == "no run has ended yet, or none is kept any longer\n"


async def settle(client: Client, keys: Keys) -> None:
    """As if all runs had ended two minutes earlier."""
    ended: Any = await client.zrange(keys.ended, 0, -1)
    for member in ended:
        await client.zincrby(keys.ended, -120_000, member)


async def test_what_has_ended_is_archived_once_and_in_whole(
    controller: Controller, here: dict[str, str], client: Client, keys: Keys, tmp_path: Path
) -> None:
    to = ("archive", "--to", str(tmp_path / "reports"))
    for name in ("checkout", "payments"):
        await controller.end(await controller.begin(name))
    assert serinus(*to, **here).stdout == "nothing has ended since the last time\n", "it may still be told something"
    await settle(client, keys)
    assert serinus(*to, **here).stdout.startswith("wrote 2 runs to ")
    assert serinus(*to, **here).stdout == "nothing has ended since the last time\n"
    (file,) = (tmp_path / "reports").rglob("*.jsonl")
    runs = [Report.model_validate_json(line).run.name for line in file.read_text().splitlines()]
    assert runs == ["checkout", "payments"]


async def test_an_archive_that_died_before_it_kept_its_place_is_repeated_into_the_same_file(
    controller: Controller, here: dict[str, str], client: Client, keys: Keys, tmp_path: Path
) -> None:
    await controller.end(await controller.begin())
    await settle(client, keys)
    for _ in range(2):
        assert serinus("archive", "--to", str(tmp_path), **here).returncode == 0
        await client.delete(keys.archived)
    (file,) = tmp_path.rglob("*.jsonl")
    assert len(file.read_text().splitlines()) == 1


async def test_a_store_that_cannot_be_written_to_moves_nothing(
    controller: Controller, here: dict[str, str], client: Client, keys: Keys, tmp_path: Path
) -> None:
    await controller.end(await controller.begin())
    await settle(client, keys)
    (tmp_path / "file").write_text("")
    failed = serinus("archive", "--to", str(tmp_path / "file"), **here)
    assert failed.returncode == 1
    assert f"--to {tmp_path / 'file'}" in failed.stderr
    assert "protocol" in serinus("archive", "--to", "tape://robot", **here).stderr.lower()
    assert await client.exists(keys.archived) == 0
