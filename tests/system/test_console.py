"""The whole of Serinus seen and steered from a browser: what is shown is what happens to the Rollouts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browsers import chromium
from tests.consoles import TOKEN, Served, served
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}
PATIENT = 120_000


@asynccontextmanager
async def shown(team: Team) -> AsyncIterator[tuple[Served, Page]]:
    """A console on the team's Redis, and a browser."""
    async with served(team.server.url, team.keys, auth="token") as console, chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(PATIENT)
        yield console, page


async def sign_in(page: Page, console: Served) -> None:
    await page.goto(f"{console.url}/login")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible(timeout=PATIENT)


async def press(page: Page, verb: str, why: str) -> None:
    await page.locator(f"#do-{verb} summary").click(timeout=PATIENT)
    await page.locator(f"#why-{verb}").fill(why)
    await page.locator(f"#do-{verb} form button").click()


async def test_a_good_canary_is_seen_to_be_promoted_and_a_bad_one_aborted_as_it_happens(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    with simulated(tmp_path / "world", scenario(rollout("checkout"), rollout("payments", **BAD))) as made:
        team = make_team(made)
        async with shown(team) as (console, page):
            await page.goto(console.url)
            await expect(page.get_by_text("No runs yet")).to_be_visible(timeout=PATIENT)
            for name in ("checkout", "payments"):
                made.release(name)
            runs = page.locator(".runs li[id]")
            await expect(runs).to_have_count(2, timeout=PATIENT)
            await expect(runs.filter(has_text="payments")).to_contain_text("aborted", timeout=PATIENT)
            await expect(runs.filter(has_text="checkout")).to_contain_text("promoted", timeout=PATIENT)
        assert (await team.outcome("checkout"), await team.outcome("payments")) == ("promoted", "aborted")


async def test_a_person_approves_holds_resumes_and_aborts_from_the_page(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    policy = {"stages": [{"weight": 5, "approval": "required"}]}
    with simulated(tmp_path / "world", scenario(rollout("checkout"))) as made:
        team = make_team(made, policy=policy)
        made.release("checkout")
        async with shown(team) as (console, page):
            await sign_in(page, console)
            chip = page.locator(".runs li[id] .chip")
            await expect(chip).to_contain_text("needs approval", timeout=PATIENT)
            await page.get_by_role("link", name="shop/checkout").click()
            await press(page, "approve", "looked at the logs")
            now = page.locator('.head .stages [data-when="now"]')
            await expect(now).to_have_text("25 %", timeout=PATIENT)
            await press(page, "hold", "lunch")
            await expect(page.locator(".verdict .next")).to_contain_text("on hold by operator (lunch)", timeout=PATIENT)
            await press(page, "resume", "back")
            await expect(now).to_have_text("50 %", timeout=PATIENT)
            await press(page, "abort", "known issue")
            await expect(page.locator(".head > .chip")).to_contain_text("aborted", timeout=PATIENT)
            await expect(page.locator(".audit")).to_contain_text("abort by operator", timeout=PATIENT)
        assert made.status()["abort"] is True
    actors = [(one.action, one.actor) for one in await team.decisions() if one.actor == "operator"]
    assert ("advance", "operator") in actors
    assert ("abort", "operator") in actors
