"""Reading what the controllers say of themselves."""

from collections.abc import Mapping
from typing import Any

from serinus_contracts import ControllerStatus, Keys
from serinus_runtime.redis import Client


async def controllers(client: Client, keys: Keys) -> Mapping[str, ControllerStatus]:
    """By cluster; what cannot be read is left out, a newer controller may have written it."""
    written: Any = await client.hgetall(keys.controllers)
    found = {}
    for cluster, document in written.items():
        try:
            found[cluster.decode()] = ControllerStatus.model_validate_json(document)
        except ValueError:
            continue
    return found
