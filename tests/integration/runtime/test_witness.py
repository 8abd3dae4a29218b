"""A Redis that came back with less than it had, as every service sees it, on a real server."""

import logging
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import Keys
from serinus_runtime.witness import Position, Witness

pytestmark = pytest.mark.anyio


@pytest.fixture
async def witness(client: Any, keys: Keys) -> Witness:
    """One that has seen ten writes."""
    await wrote(client, keys, "g1", 10)
    made = Witness(client, keys, CollectorRegistry())
    await made.look()
    return made


async def wrote(client: Any, keys: Keys, generation: str, written: int) -> None:
    await client.hset(keys.memory, mapping={"generation": generation, "written": written})


async def seen(witness: Witness) -> str | None:
    await witness.look()
    return await witness.why()


async def test_what_goes_on_is_whole(witness: Witness, client: Any, keys: Keys) -> None:
    await wrote(client, keys, "g1", 11)
    assert await seen(witness) is None
    assert witness._losses._value.get() == 0


async def test_a_redis_that_never_had_anything_has_lost_nothing(client: Any, keys: Keys) -> None:
    witness = Witness(client, keys, CollectorRegistry())
    assert await seen(witness) is None
    await wrote(client, keys, "g1", 0)
    assert await seen(witness) is None


@pytest.mark.parametrize("left", [None, 9])
async def test_an_emptied_and_an_older_one_are_told_once_and_missed_until_a_leader_begins_anew(
    witness: Witness, client: Any, keys: Keys, left: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    await client.delete(keys.memory)
    if left:
        await wrote(client, keys, "g1", left)
    with caplog.at_level(logging.ERROR):
        assert "Redis has lost data" in (await seen(witness) or "")
        assert await seen(witness) is not None
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await wrote(client, keys, "g2", 0)
    assert await seen(witness) is None
    assert witness._losses._value.get() == 1


async def test_a_loss_that_was_mended_between_two_looks_is_told_too(witness: Witness, client: Any, keys: Keys) -> None:
    await wrote(client, keys, "g2", 50)
    assert await seen(witness) is None
    assert witness._losses._value.get() == 1


async def test_one_that_is_whole_again_is_ready_again(witness: Witness, client: Any, keys: Keys) -> None:
    await wrote(client, keys, "g1", 5)
    assert await seen(witness) is not None
    await wrote(client, keys, "g1", 12)
    assert await seen(witness) is None


@pytest.mark.parametrize("text", ["", "g1", "g1:", "g1:x", ":4"])
def test_a_note_that_cannot_be_read_says_nothing(text: str) -> None:
    assert Position.parse(text) == Position()
    assert Position.parse(str(Position("a:b", 7))) == Position("a:b", 7)
