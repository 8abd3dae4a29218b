"""Scripts, on a real server."""

from typing import Any

import pytest
from redis.exceptions import ResponseError
from serinus_contracts import Keys
from serinus_runtime.scripts import Call, Script

pytestmark = pytest.mark.anyio
COUNT = "return redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])"


async def test_a_script_runs_on_a_server_that_has_never_seen_it(client: Any, keys: Keys) -> None:
    count = Script(client, f"{COUNT} -- {keys.tag}")
    assert await count(keys=[keys.due], args=["a", 2]) == 2


async def test_a_server_that_forgot_a_script_is_told_it_again(client: Any, keys: Keys) -> None:
    count = Script(client, f"{COUNT} -- {keys.tag}")
    await count(keys=[keys.due], args=["a", 1])
    await client.script_flush()
    assert await count(keys=[keys.due], args=["a", 1]) == 2


async def test_calls_are_sent_together_and_answered_in_order(client: Any, keys: Keys) -> None:
    count = Script(client, COUNT)
    assert await count.run([Call([keys.due], ["a", step]) for step in (1, 2, 3)]) == [1, 3, 6]


async def test_an_error_of_one_call_is_raised_and_the_others_are_made(client: Any, keys: Keys) -> None:
    count = Script(client, COUNT)
    with pytest.raises(ResponseError):
        await count.run([Call([keys.due], ["a", "no number"]), Call([keys.due], ["a", 5])])
    assert await client.hget(keys.due, "a") == b"5"
