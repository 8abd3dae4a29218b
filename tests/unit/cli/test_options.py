import asyncio

import pytest
import typer
from serinus.options import without_password
from serinus.provider import reached


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://bob:secret@host:9090/prometheus", "http://host:9090/prometheus"),
        ("main=http://bob:secret@a,other=https://eve:secret@b/x", "main=http://a,other=https://b/x"),
        ("http://bob:sec,re=t@a@host", "http://host"),
        ("redis://:secret@host/0", "redis://host/0"),
        ("redis://:sec/ret@host/0", "redis://host/0"),
        ("http://bob:12/ab@cd@host", "http://host"),
        ("main=http://bob:s/e@a,other=https://b/x", "main=http://a,other=https://b/x"),
        ("bob:secret@host", "host"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:9090", "http://host:9090"),
    ],
)
def test_an_address_is_shown_without_who_signs_in_by_which_password(given: str, shown: str) -> None:
    assert without_password(given) == shown


@pytest.mark.parametrize("address", ["http://bob:secret@127.0.0.1:1", "http://bob:sec/ret@127.0.0.1:1"])
def test_a_provider_is_never_shown_with_its_password(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def shown() -> str:
        async with reached(address, None) as provider:
            return provider.shown

    try:
        said = asyncio.run(shown())
    except typer.Exit:
        said = capsys.readouterr().err
        assert "is not an address" in said
    assert not [part for part in ("bob", "secret", "sec/ret") if part in said]
