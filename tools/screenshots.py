"""Pictures of the console, taken while the demo runs: `python -m tools.screenshots docs/images`. Needs chromium."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

DEMO = [sys.executable, "-u", "-c", "from serinus.app import main; main()", "demo", "--keep", "-o", "json"]
PATIENT = 180_000


async def shown(
    browser: Browser,
    address: str,
    *,
    width: int = 1280,
    height: int = 880,
    scheme: Literal["light", "dark"] = "light",
) -> Page:
    """A page of the console, once it follows the stream of events."""
    page = await browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=1.5, color_scheme=scheme
    )
    page.set_default_timeout(PATIENT)
    await page.goto(address)
    await page.locator("#stream[data-state=live]").wait_for()
    return page


async def sign_in(page: Page, address: str, token: str) -> None:
    """As a person does."""
    await page.goto(f"{address}/login")
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Runs", exact=True).wait_for()


async def run_of(page: Page, address: str, name: str) -> str:
    """The address of a run's page."""
    await page.goto(address)
    return f"{address}{await page.get_by_role('link', name=f'shop/{name}').get_attribute('href')}"


async def take(browser: Browser, address: str, token: str, folder: Path) -> None:
    """Every picture, once the demo has come so far."""
    wide = await shown(browser, address)
    for name, state in (("payments", "aborted"), ("search", "no metrics")):
        await wide.locator(".runs li[id]", has_text=name).locator(".chip", has_text=state).wait_for()
    await wide.screenshot(path=folder / "console-runs.png")

    payments, search = [await run_of(wide, address, name) for name in ("payments", "search")]
    schemes: dict[str, Literal["light", "dark"]] = {"": "light", "-dark": "dark"}
    for ending, scheme in schemes.items():
        page = await shown(browser, payments, height=1180, scheme=scheme)
        await page.locator(".chart canvas").first.wait_for()
        await page.screenshot(path=folder / f"console-run{ending}.png")
        phone = await shown(browser, payments, width=360, height=780, scheme=scheme)
        await phone.screenshot(path=folder / f"console-phone{ending}.png")

    await sign_in(wide, address, token)
    await wide.goto(search)
    await wide.locator("#do-abort summary").click()
    await wide.locator("#why-abort").fill("customers cannot search")
    await wide.screenshot(path=folder / "console-act.png")


async def pictures(address: str, token: str, folder: Path) -> None:
    """Take them with a browser of their own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        await take(browser, address, token, folder)
        await browser.close()


def main(folder: Path) -> None:
    with subprocess.Popen(DEMO, stderr=subprocess.PIPE, text=True) as demo:  # noqa: S603 - our own demo
        try:
            lines = (re.search(r"(http://127\.0\.0\.1:\d+).* sign in with (\S+)", line) for line in demo.stderr or ())
            address, token = next(found.groups() for found in lines if found)
            asyncio.run(pictures(address, token, folder))
        finally:
            demo.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
