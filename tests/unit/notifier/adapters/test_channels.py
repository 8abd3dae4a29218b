"""What a receiver gets: text, in which nothing is markup."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from serinus_notifier.adapters.channels import Channels

pytestmark = pytest.mark.anyio
TEXT = "<https://evil.example|sign in> <img src='https://evil.example/x'> & <!channel>\nsince 12:00"


async def test_a_mail_is_what_was_written_and_no_html_of_it() -> None:
    got: list[bytes] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        async for line in reader:
            verb = line.strip().lower()
            if verb == b"data":
                writer.write(b"354 go on\r\n")
                got.append(await reader.readuntil(b"\r\n.\r\n"))
            if verb == b"quit":
                break
            writer.write(b"250 ok\r\n")
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        address = f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com&mode=insecure"
        assert await Channels({"mail": SecretStr(address)}, 60).send("mail", "held", TEXT)
    (mail,) = got
    assert b"text/plain" in mail or b"&lt;img" in mail
    assert b"text/html" not in mail or b"<img" not in mail


async def test_a_link_in_slack_says_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def request(*_: Any, data: str, **__: Any) -> Any:
        sent.append(data)
        raise ConnectionError

    monkeypatch.setattr("apprise.plugins.slack.requests.request", request)
    slack = SecretStr("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    await Channels({"slack": slack}, 60).send("slack", "held", TEXT)
    assert "&lt;https://evil.example|sign in&gt;" in sent[0]
    assert "&lt;!channel&gt;" in sent[0]
