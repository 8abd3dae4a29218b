"""Plans, on a real server."""

import json
from typing import Any

import pytest
from serinus_contracts import Keys
from serinus_runtime.plans import Plans

from tests.support import plan

pytestmark = pytest.mark.anyio


async def test_a_plan_of_an_earlier_version_keeps_its_name_so_that_evidence_goes_on(client: Any, keys: Keys) -> None:
    document = json.loads(plan().canonical)
    del document["on_no_data"]
    stored = json.dumps(document).encode()
    await client.set(keys.plan("digest-of-then"), stored)
    found = await Plans(client, keys).get("digest-of-then")
    assert found == plan()
    assert (found.digest, found.canonical) == ("digest-of-then", stored)


async def test_a_plan_that_is_not_there_is_none_and_what_is_no_plan_is_an_error(client: Any, keys: Keys) -> None:
    await client.set(keys.plan("broken"), "{")
    assert await Plans(client, keys).get("missing") is None
    with pytest.raises(ValueError, match="Invalid JSON"):
        await Plans(client, keys).get("broken")
