"""The notifiers' places in the streams, on a real server."""

import json
from typing import Any

import pytest
from serinus_contracts import Keys
from serinus_notifier.adapters.outbox import RedisOutbox
from serinus_notifier.domain.notifications import Due, causes
from serinus_notifier.use_cases.inbox import Given
from serinus_runtime.streams import Entry

from tests.unit.notifier.domain.test_notifications import decision

pytestmark = pytest.mark.anyio


@pytest.fixture
def outbox(client: Any, keys: Keys) -> RedisOutbox:
    return RedisOutbox(client, keys, lease_ms=60_000)


async def news(outbox: RedisOutbox) -> tuple[bytes, list[Entry]]:
    (found,) = await outbox.news()
    assert found.stream == "decisions"
    return found.place, list(found.entries)


async def test_the_first_notifier_reads_what_happens_from_now_on_and_all_after_it_go_on_from_the_same_place(
    outbox: RedisOutbox, client: Any, keys: Keys
) -> None:
    stream = keys.stream("decisions")
    old = await client.xadd(stream, {"n": 1})
    assert await outbox.places() == {"decisions": old, "verdicts": b"0-0", "rollouts": b"0-0"}
    new = [await client.xadd(stream, {"n": number}) for number in (2, 3)]
    place, entries = await news(outbox)
    assert (place, [entry.id for entry in entries]) == (old, new)
    assert await outbox.put("decisions", place, entries[0], Given())
    another = RedisOutbox(client, keys, lease_ms=60_000)
    assert await news(another) == (new[0], [Entry(new[1], {b"n": b"3"})])


async def test_of_two_notifiers_with_the_same_entry_one_writes_it_down(
    outbox: RedisOutbox, client: Any, keys: Keys
) -> None:
    await outbox.places()
    await client.xadd(keys.stream("decisions"), {"n": 1})
    place, (entry,) = await news(outbox)
    given = [Given([Due(cause, "team", 1)]) for cause in causes(decision(), 1)]
    assert [await outbox.put("decisions", place, entry, given[0]) for _ in range(2)] == [True, False]
    assert await outbox.waiting() == 1


async def test_what_cannot_be_read_is_kept_as_a_dead_letter_with_its_error(
    outbox: RedisOutbox, client: Any, keys: Keys
) -> None:
    await outbox.places()
    await client.xadd(keys.stream("decisions"), {b"\xff": "1"})
    place, (entry,) = await news(outbox)
    assert await outbox.put("decisions", place, entry, Given(fault="no field ce"))
    ((_, letter),) = await client.xrange(keys.dead_letters)
    assert (letter[b"stream"], letter[b"group"]) == (keys.stream("decisions").encode(), b"notifier")
    assert (letter[b"id"], letter[b"error"]) == (entry.id, b"no field ce")
    assert json.loads(letter[b"entry"]) == {"\ufffd": "1"}
    assert await outbox.waiting() == 0
