"""Servers for all tests: what is configured, else what is installed, else what a wheel brings."""

import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from serinus_contracts import Keys
from serinus_runtime.redis import Client, connected

from tests.lacking import closing_table
from tests.servers import configured_redis
from tests.topologies import TOPOLOGIES

# No test finds a demo that somebody else has running on this machine.
os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="serinus-tests-")

# Nothing is timed in a test: how long an example takes tells of the machine. What a test says does not depend on a draw
# either, unless SERINUS_TEST_EXPLORE asks for new examples: a fault that they find is then a case of its own.
settings.register_profile(
    "serinus",
    deadline=None,
    derandomize="SERINUS_TEST_EXPLORE" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("serinus")


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that tests share; each keeps to its own `keys`. The parameter is its topology, by default one server."""
    kind = getattr(request, "param", "server")
    configured = configured_redis()
    if configured and kind == "server":
        yield configured
        return
    with TOPOLOGIES[kind](tmp_path_factory.mktemp(kind)) as url:
        yield url


@pytest.fixture
def keys() -> Keys:
    """Keys that no other test uses."""
    return Keys(f"test-{uuid4().hex[:12]}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with connected(redis_url) as made:
        yield made


# Whole releases on real time, browsers, long random histories, and controllers or servers that are killed and come
# back; of the first, `make test` sees one file.
LONG = (
    "tests/system/",
    "test_browser.py",
    "test_interleavings.py",
    "test_led.py",
    "test_restart.py",
    "test_standing.py",
)
SHORT = "tests/system/test_release.py"


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """All that is collected stays: to look through it again and again took a third of the time, in each process."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.as_posix()
        if any(part in path for part in LONG) and not path.endswith(SHORT):
            item.add_marker(pytest.mark.long)
    # It waits for over a minute: begun last, the other workers would wait for it.
    items.sort(key=lambda item: not item.path.as_posix().endswith(SHORT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [(one.nodeid, one.longrepr[2]) for one in terminalreporter.stats.get("skipped", [])]
    if skipped:
        terminalreporter.section("what was left out, and how to get it")
        for line in closing_table(skipped):
            terminalreporter.write_line(line)
