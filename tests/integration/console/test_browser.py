"""The pages in a real browser: live, by keyboard, in the dark, on a phone, and for a screen reader."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis
from serinus_contracts import CommandIssued, DecisionTaken, Finding, Keys, Pod, from_entry

from tests.browsers import chromium
from tests.consoles import TOKEN, Served, Teller, another, served
from tests.integration.console.test_pages import errors
from tests.servers import free_port, redis_server
from tests.support import RUN, observed, verdict

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
PATH = f"/runs/{RUN.id}"
PATIENT = 20_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as made:
        yield made


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page on which nothing may go wrong unseen."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENT)
    made = await context.new_page()
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield made
    assert faults == []


@pytest.fixture
async def console(redis_url: str, keys: Keys, teller: Teller) -> AsyncIterator[Served]:
    await teller.live(stage_started=await teller.now())
    async with served(redis_url, keys, auth="token") as made:
        await made.until("/v1/runs", RUN.uid)
        yield made


async def say(teller: Teller, sentence: str, **other: Any) -> None:
    now = await teller.now()
    observed = await teller.registry.live(RUN.cluster)
    started = next(one.stage_started for one in observed if one.run == RUN)
    fields = {"end": now, "stage_started": started, "sentence": sentence, "metrics": (errors(),)}
    await teller.tell(verdict(**(fields | other)))


async def sign_in(page: Page, console: Served) -> None:
    await page.goto(f"{console.url}/login?next={PATH}")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Signed in as operator. Actions are logged.")).to_be_visible(timeout=PATIENT)


async def commands(teller: Teller) -> list[CommandIssued]:
    entries: Any = await teller.client.xrange(teller.keys.stream("commands"))
    return [from_entry(CommandIssued, fields).data for _, fields in entries]


async def test_a_verdict_appears_without_reloading_and_what_is_open_and_typed_stays(
    page: Page, console: Served, teller: Teller
) -> None:
    await sign_in(page, console)
    await expect(page.locator("#stream")).to_have_text("Live", timeout=PATIENT)
    await page.get_by_text("Abort", exact=True).click()
    reason = page.locator("#why-abort")
    await reason.fill("half a sen")
    await say(teller, "proceed: all is well")
    await expect(page.locator(".sentence")).to_have_text("proceed: all is well", timeout=PATIENT)
    await expect(reason).to_have_value("half a sen")
    await expect(reason).to_be_focused()
    await expect(page.locator(".chart canvas").first).to_be_visible(timeout=PATIENT)
    await say(teller, "abort: it is bad", verdict="abort", reason="evidence")
    await expect(page.locator(".verdict")).to_have_attribute("data-tone", "bad", timeout=PATIENT)


async def test_an_abort_by_hand_is_asked_for_with_its_reason_and_shown_until_it_is_answered(
    page: Page, console: Served, teller: Teller
) -> None:
    await sign_in(page, console)
    await page.get_by_text("Abort", exact=True).click()
    await expect(page.get_by_text("All traffic goes back to stable old.")).to_be_visible(timeout=PATIENT)
    await page.locator("#why-abort").fill("known issue")
    await page.get_by_role("button", name="Abort checkout").click()
    trail = page.locator(".audit")
    await expect(trail).to_contain_text("abort requested by operator", timeout=PATIENT)
    (sent,) = await commands(teller)
    assert (sent.verb, sent.actor, sent.verified, sent.reason) == ("abort", "operator", True, "known issue")
    done = {"run": RUN, "step": 1, "action": "abort", "cause": sent.id, "actor": "operator", "mode": "enforce"}
    await teller.tell(DecisionTaken(**done, detail="abort by operator", state="confirmed", decided=await teller.now()))
    await expect(trail.locator(".pending")).to_have_count(0, timeout=PATIENT)
    await expect(trail).to_contain_text("abort by operator", timeout=PATIENT)


async def test_everything_can_be_done_by_keyboard(page: Page, console: Served, teller: Teller) -> None:
    await sign_in(page, console)
    await page.locator("#do-hold summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.locator("#why-hold")).to_be_focused()
    await page.keyboard.type("lunch")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".audit")).to_contain_text("hold requested", timeout=PATIENT)
    assert [(one.verb, one.reason) for one in await commands(teller)] == [("hold", "lunch")]


async def test_who_has_not_signed_in_sees_everything_and_no_button_that_acts(page: Page, console: Served) -> None:
    await page.goto(console.url + PATH)
    await page.get_by_text("Abort", exact=True).click()
    await expect(page.locator("#do-abort .refusal")).to_be_visible(timeout=PATIENT)
    await expect(page.get_by_role("button", name="Abort checkout")).to_have_count(0)


async def test_a_stream_that_is_lost_is_told_and_what_was_missed_is_there_when_it_is_back(
    page: Page, redis_url: str, keys: Keys, teller: Teller
) -> None:
    await teller.live(stage_started=await teller.now())
    port = free_port()
    async with served(redis_url, keys, port=port) as console:
        await console.until("/v1/runs", RUN.uid)
        await page.goto(console.url + PATH)
        await expect(page.locator("#stream")).to_have_text("Live", timeout=PATIENT)
    await expect(page.locator("#stream")).to_contain_text("Connection lost", timeout=PATIENT)
    await say(teller, "proceed: said meanwhile")
    async with served(redis_url, keys, port=port):
        await expect(page.locator("#stream")).to_have_text("Live", timeout=PATIENT)
        await expect(page.locator(".sentence")).to_have_text("proceed: said meanwhile", timeout=PATIENT)


async def test_without_javascript_the_page_is_whole(browser: Browser, console: Served, teller: Teller) -> None:
    await say(teller, "proceed: all is well")
    await console.until(PATH, "all is well")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(console.url + PATH)
    await expect(page.locator(".sentence")).to_have_text("proceed: all is well", timeout=PATIENT)
    await page.get_by_role("link", name="View as table").click()
    await expect(page.get_by_role("cell", name="0.61 %")).to_be_visible(timeout=PATIENT)
    await page.goto(f"{console.url}/login?next={PATH}")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("Hold", exact=True).click()
    await page.get_by_role("button", name="Hold checkout").click()
    await expect(page.locator(".audit")).to_contain_text("hold requested by operator", timeout=PATIENT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_no_page_shuts_anybody_out_or_is_wider_than_its_screen(
    browser: Browser, console: Served, teller: Teller, scheme: Any, width: int
) -> None:
    for name in ("waiting", "a-service-with-a-name-that-does-not-end-before-its-line-does-and-then-some"):
        await teller.live(another(name))
    await teller.ended(another("old"), "aborted")
    await teller.live(resource_version="11", pods=(Pod(name="checkout-new-1", arm="canary"),))
    slow = Finding(kind="outlier", severity="warning", text="checkout-new-1 is slow", pods=("checkout-new-1",))
    await say(teller, "abort: it is bad", verdict="abort", reason="evidence", findings=(slow,))
    await console.until(PATH, "it is bad")
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    page = await context.new_page()
    for path in ("/", PATH, f"{PATH}/course", "/login", "/nothing"):
        await page.goto(console.url + path)
        for summary in await page.locator("summary").all():
            await summary.click()
        found = await Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_the_age_of_a_verdict_counts_on_by_itself(page: Page, console: Served, teller: Teller) -> None:
    await say(teller, "proceed: all is well")
    await page.goto(console.url + PATH)
    age = page.locator(".age time")
    await expect(age).to_have_text(re.compile(r"^[3-9] s ago$"), timeout=PATIENT)


LOST_WITHIN = 15_000
"""Twelve seconds, and some for a browser on a machine that is busy (ms)."""


async def lost(page: Page) -> None:
    """It says so, counts up, and nothing looks live."""
    banner = page.locator("#lost")
    await expect(banner).to_have_text(re.compile(r"Connection lost, data is \d+ s old\."), timeout=LOST_WITHIN)
    first = await banner.inner_text()
    await expect(banner).not_to_have_text(first, timeout=PATIENT)
    await expect(page.locator("#stream")).to_contain_text("Connection lost")
    greyed = "getComputedStyle(document.querySelector('.verdict, .runs')).filter"
    assert "grayscale(1)" in await page.evaluate(greyed)


async def is_live(page: Page) -> None:
    await expect(page.locator("#stream")).to_have_text("Live", timeout=PATIENT)
    await expect(page.locator("#lost")).to_be_hidden(timeout=PATIENT)


@pytest.mark.parametrize("path", ["/", PATH])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_redis_that_is_gone_is_told_within_seconds_and_its_return_too(
    page: Page, tmp_path: Path, keys: Keys, path: str, end: signal.Signals
) -> None:
    with redis_server(tmp_path) as server:
        async with Redis.from_url(server.url) as client, served(server.url, keys, auth="token") as console:
            teller = Teller(client, keys)
            await teller.live(stage_started=await teller.now())
            await say(teller, "proceed: all is well")
            await console.until("/", "all is well")
            await sign_in(page, console)
            await page.goto(console.url + path)
            await is_live(page)
            os.kill(server.pid, end)
            await lost(page)
            if path == PATH:
                again = await page.context.new_page()
                await again.goto(console.url + path)
                await expect(again.locator("#lost")).to_be_visible(timeout=PATIENT)
                await expect(again.locator(".sentence")).to_have_text("proceed: all is well")
                await again.close()
            if end == signal.SIGKILL:
                server.start()
            else:
                os.kill(server.pid, signal.SIGCONT)
            await is_live(page)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_console_that_is_gone_is_told_within_seconds(
    page: Page, redis_url: str, keys: Keys, teller: Teller, end: signal.Signals
) -> None:
    await teller.live(stage_started=await teller.now())
    await say(teller, "proceed: all is well")
    port = free_port()
    settings = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag, "SERINUS_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "serinus_console", env={**os.environ, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http, asyncio.timeout(30):
            while True:
                with suppress(httpx.TransportError):
                    if "all is well" in (await http.get("/")).text:
                        break
                await asyncio.sleep(0.1)
        await page.goto(f"http://127.0.0.1:{port}{PATH}")
        await is_live(page)
        process.send_signal(end)
        await lost(page)
        await expect(page.locator("#lost")).to_contain_text("The console does not answer.")
        if end == signal.SIGSTOP:
            process.send_signal(signal.SIGCONT)
            await is_live(page)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_run_that_a_person_aborted_says_so_first_and_its_last_verdict_below(
    page: Page, console: Served, teller: Teller
) -> None:
    await say(teller, "hold: waiting for counts to settle", verdict="hold", reason="settling")
    await page.goto(console.url + PATH)
    await expect(page.locator(".sentence")).to_have_text("hold: waiting for counts to settle", timeout=PATIENT)
    await teller.registry.retire(observed(outcome="aborted", set_weight=50, actual_weight=0))
    act = {"run": RUN, "step": 1, "action": "abort", "cause": "01J0000000000000000000000A", "mode": "enforce"}
    act |= {"actor": "root@vm", "asked": "abort", "reason": "known issue", "detail": "50 % back to stable"}
    await teller.tell(DecisionTaken(**act, state="confirmed", decided=await teller.now()))
    first = re.compile(r"^Aborted by root@vm at \d\d:\d\d: known issue$")
    await expect(page.locator(".sentence")).to_have_text(first, timeout=PATIENT)
    await expect(page.locator(".verdict .last")).to_have_text("Last verdict: hold: waiting for counts to settle")
    await expect(page.locator(".actions summary")).to_have_text(["Retry"])
    await page.goto(console.url)
    await expect(page.locator(".why p").first).to_have_text(first, timeout=PATIENT)


async def test_buttons_do_not_move_when_one_is_opened(page: Page, console: Served, teller: Teller) -> None:
    await say(teller, "proceed: all is well")
    await sign_in(page, console)
    buttons = page.locator(".actions summary")
    await expect(buttons).to_have_text(["Abort", "Hold", "Advance: 5 % to 25 %"], timeout=PATIENT)
    before = [await one.bounding_box() for one in await buttons.all()]
    for one in await buttons.all():
        await one.click()
        assert [await other.bounding_box() for other in await buttons.all()] == before
    await expect(page.get_by_role("button", name="Advance checkout: 5 % to 25 %")).to_be_visible(timeout=PATIENT)


async def test_a_second_advance_finds_no_button_until_the_new_weight_was_evaluated(
    page: Page, console: Served, teller: Teller
) -> None:
    await say(teller, "proceed: all is well")
    await sign_in(page, console)
    await page.get_by_text("Advance: 5 % to 25 %", exact=True).click()
    await page.get_by_role("button", name="Advance checkout: 5 % to 25 %").dblclick()
    await expect(page.locator(".audit .pending").first).to_be_visible(timeout=PATIENT)
    now = await teller.now()
    await teller.live(resource_version="11", step=3, stage=1, set_weight=25, stage_started=now, gate_started=now)
    await expect(page.get_by_text("Advance: 25 % to 50 %", exact=True)).to_be_visible(timeout=PATIENT)
    await page.get_by_text("Advance: 25 % to 50 %", exact=True).click()
    await expect(page.locator("#do-advance")).to_contain_text("No evaluation at 25 % yet", timeout=PATIENT)
    await expect(page.get_by_role("button", name="Advance checkout")).to_have_count(0)
    assert {one.step for one in await commands(teller)} == {1}


async def test_an_approval_while_data_are_missing_is_told_as_an_approval_that_opened_nothing(
    page: Page, console: Served, teller: Teller
) -> None:
    await say(teller, "hold: no canary data", verdict="hold", reason="no_data")
    act = {"run": RUN, "step": 1, "action": "recorded", "cause": "01J0000000000000000000000A", "mode": "enforce"}
    act |= {"actor": "alice", "asked": "approve", "reason": "looks good"}
    act |= {"detail": "recorded; the gate stays closed: no canary data"}
    await teller.tell(DecisionTaken(**act, state="confirmed", decided=await teller.now()))
    await page.goto(console.url + PATH)
    line = page.locator(".audit li").first
    await expect(line).to_contain_text("approve by alice", timeout=PATIENT)
    await expect(line).to_contain_text("recorded; the gate stays closed: no canary data")
