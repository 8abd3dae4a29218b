"""Commands: one as a person asks for it, and sending it, also to a Redis that is full."""

from collections.abc import Mapping
from typing import Any

from redis.exceptions import OutOfMemoryError
from serinus_contracts import CommandIssued, Keys, seal, to_entry
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_runtime import scripts
from serinus_runtime.redis import Client
from ulid import ULID

from serinus_readmodel.run_view import RunView

VALID_MS = 120_000
MAX_COMMANDS = 10_000
# Of one actor's aborts, and as much of all else, in a minute while Redis is full: a thousand, or a few large changes.
MAX_BYTES_OF_ONE = 1 << 20
_SEND = "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))"
_SHARE_IS_SENT = "the share of one sender is sent"
# A Redis that is full lets nobody take the room in which others' commands, and what follows from them, are to go.
_FAIR = f"""
local size = 0
for i = 3, #ARGV do size = size + #ARGV[i] end
local sent = redis.call('HINCRBY', KEYS[2], ARGV[2], size)
redis.call('EXPIRE', KEYS[2], 60, 'NX')
if sent > {MAX_BYTES_OF_ONE} then return redis.error_reply('OOM {_SHARE_IS_SENT}') end
"""
_MEANWHILE = {"aborts": "abort by kubectl argo rollouts abort", "changes": "an abort is taken"}


class ShareIsSentError(OutOfMemoryError):
    """Redis is full, and its sender has sent as much as one may then: its text is for people."""


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
        self._keys, self._source = [keys.stream("commands"), keys.sent], source
        self._send = scripts.Script(client, _SEND, scripts.COMMANDING, _FAIR)

    async def send(self, command: CommandIssued, now: Millis) -> None:
        """Raises RedisError, which says nothing of whether it was sent: the id makes a repeat harmless; and
        ShareIsSentError, after which it was not."""
        entry = to_entry(seal(command, source=self._source, now=now))
        parts = [part for pair in entry.items() for part in pair]
        # Under a name that nobody verified anybody may send, and no change is to keep an abort back.
        sender = command.actor if command.verified else f"{command.actor} (unverified)"
        kind = "aborts" if command.verb == "abort" else "changes"
        try:
            await self._send(keys=self._keys, args=[MAX_COMMANDS, f"{kind} of {sender}", *parts])
        except OutOfMemoryError as error:
            if _SHARE_IS_SENT not in str(error):
                raise
            raise ShareIsSentError(
                f"Redis is full, and {sender} has sent so much that others would have no room: nothing was done. "
                f"Try again in a minute; meanwhile {_MEANWHILE[kind]}"
            ) from error
