"""A real browser: Debian's chromium by playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.lacking import lacking


def chromium_binary() -> str:
    found = os.environ.get("SERINUS_TEST_CHROMIUM") or shutil.which("chromium")
    if found is None:
        lacking("chromium", "apt-get install chromium, or name one by SERINUS_TEST_CHROMIUM")
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    binary = chromium_binary()
    async with async_playwright() as playwright:
        # Its sandbox does not work for root and in many containers; it only sees our own pages.
        browser = await playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()
