"""A real browser: Debian's chromium by playwright. Without one a test is skipped, but not in CI."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright


def chromium_binary() -> str:
    found = os.environ.get("SERINUS_TEST_CHROMIUM") or shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a chromium: install it, or set SERINUS_TEST_CHROMIUM")
        pytest.skip("no chromium on PATH and SERINUS_TEST_CHROMIUM is not set")
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
