"""What the board of a console says where no console answers, or one that it does not understand."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from serinus.adapters import console as adapter
from serinus.adapters.console import ConsoleBoard, console
from serinus.board import BoardError

pytestmark = pytest.mark.anyio
URL = "http://console.test"
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def at(answer: Answer) -> ConsoleBoard:
    return ConsoleBoard(httpx.AsyncClient(base_url=URL, transport=httpx.MockTransport(answer)), signed=False)


def always(status: int, **content: object) -> Answer:
    return lambda request: httpx.Response(status, **content)  # type: ignore[arg-type]


PROBLEM = {"title": "Not Found", "status": 404, "detail": "Not Found"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (always(404, text="<html>"), "has no /v1/events: no Serinus console, or one older than this command"),
        (always(404, json=PROBLEM), "no Serinus console, or one older than this command"),
        (
            always(302, headers={"location": "https://login.test"}),
            "leads to https://login.test: give the console's own",
        ),
        (always(401), "set SERINUS_TOKEN, or give --token-file"),
        (always(403, json={"detail": "bob may not"}), "not allowed: bob may not"),
        (always(503, json={"detail": "try again: Redis is away"}), "try again: Redis is away"),
        (always(500, text="oh"), "the console answered 500"),
    ],
)
async def test_what_is_no_console_or_refuses_is_said_with_the_way_out(answer: Answer, says: str) -> None:
    with pytest.raises(BoardError, match=says):
        await at(answer).load()


async def test_something_that_answers_all_with_a_page_is_no_console() -> None:
    with pytest.raises(BoardError, match="no Serinus console"):
        await at(always(200, text="<html>welcome</html>")).load()


async def test_an_answer_of_another_version_names_what_is_not_understood() -> None:
    board = at(always(200, json={"run": {}}))
    with pytest.raises(BoardError, match=r"does not know \(run.cluster: .*are they of one version"):
        await board.report("a/b/c/1")


async def test_nobody_at_the_address_is_said_with_the_address_and_without_its_password() -> None:
    with pytest.raises(BoardError, match=r"no console answers at http://127\.0\.0\.1:1: ") as error:
        async with console("http://me:hidden@127.0.0.1:1", None) as board:
            await board.load()
    assert "hidden" not in str(error.value)
    assert "--console or SERINUS_CONSOLE" in str(error.value)


@pytest.mark.parametrize("url", ["console", "ftp://console", "http://a:b", "//x"])
async def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(BoardError, match="write an address such as"):
        async with console(url, None) as board:
            await board.load()


async def test_a_token_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"--token-file .*No such file"):
        async with console(URL, tmp_path / "none"):
            pass
    (tmp_path / "token").write_text("abc\n")
    assert adapter._token(tmp_path / "token") == "abc"
