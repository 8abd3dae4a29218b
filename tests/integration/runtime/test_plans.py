"""Plans, on a real server."""

import hashlib
import json
from typing import Any

import pytest
from serinus_contracts import Keys
from serinus_runtime.plans import Plans

from tests.support import plan

pytestmark = pytest.mark.anyio


async def kept(client: Any, keys: Keys, document: bytes) -> str:
    """The name of what is stored as the controller does it."""
    digest = hashlib.sha256(document).hexdigest()
    await client.set(keys.plan(digest), document)
    return digest


async def test_a_plan_of_an_earlier_version_keeps_its_name_so_that_evidence_goes_on(client: Any, keys: Keys) -> None:
    document = json.loads(plan().canonical)
    del document["on_no_data"]
    stored = json.dumps(document).encode()
    digest = await kept(client, keys, stored)
    found = await Plans(client, keys).get(digest)
    assert found is not None
    assert found.model_dump() == plan().model_dump()
    assert (found.digest, found.canonical) == (digest, stored)
    assert digest != plan().digest


async def test_a_plan_that_is_not_there_is_none_and_what_is_no_plan_is_an_error(client: Any, keys: Keys) -> None:
    assert await Plans(client, keys).get("missing") is None
    with pytest.raises(ValueError, match="Invalid JSON"):
        await Plans(client, keys).get(await kept(client, keys, b"{"))


async def test_what_is_kept_by_the_name_of_another_plan_is_an_error(client: Any, keys: Keys) -> None:
    await client.set(keys.plan(plan().digest), plan(mode="shadow").canonical)
    with pytest.raises(ValueError, match="is not what was planned"):
        await Plans(client, keys).get(plan().digest)
