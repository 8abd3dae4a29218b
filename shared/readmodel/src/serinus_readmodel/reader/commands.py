"""Commands: one as a person asks for it, and sending it, also to a Redis that is full."""

from collections.abc import Mapping
from typing import Any

from serinus_contracts import CommandIssued, Keys, seal, to_entry
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_runtime import scripts
from serinus_runtime.redis import Client
from ulid import ULID

from serinus_readmodel.run_view import RunView

VALID_MS = 120_000
MAX_COMMANDS = 10_000
_SEND = "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))"


def command(
    view: RunView,
    verb: Verb,
    actor: str,
    reason: str,
    change: Mapping[str, Any],
    now: Millis,
    *,
    force: bool = False,
    verified: bool = False,
    groups: tuple[str, ...] = (),
) -> CommandIssued:
    """A command about the run's present step, with an id of its own, valid for VALID_MS from `now` (ms)."""
    return CommandIssued(
        run=view.observed.run,
        id=str(ULID()),
        verb=verb,
        step=view.observed.step,
        expires=now + VALID_MS,
        actor=actor,
        verified=verified,
        groups=groups,
        reason=reason,
        change=dict(change),
        force=force,
    )


class Commands:
    """The stream of commands. `source`: who writes them, as CloudEvents name it."""

    def __init__(self, client: Client, keys: Keys, source: str) -> None:
        self._stream, self._source = keys.stream("commands"), source
        self._send = scripts.Script(client, _SEND, scripts.ACTING)

    async def send(self, command: CommandIssued, now: Millis) -> None:
        """Raises RedisError, which says nothing of whether it was sent: the id makes a repeat harmless."""
        entry = to_entry(seal(command, source=self._source, now=now))
        await self._send(keys=[self._stream], args=[MAX_COMMANDS, *(part for pair in entry.items() for part in pair)])
