"""The controller's scripts, called by the names that each gives its keys and arguments at its top."""

import re
from importlib.resources import files
from typing import Any

from serinus_runtime.redis import Client
from serinus_runtime.scripts import Call, Script


class NamedScript:
    """A script whose first lines are `local ... = unpack(KEYS)` and `local ... = unpack(ARGV)`, or `unpack(ARGV, 1, n)`
    where fields of an entry or a hash come after its arguments. `reserve`: bytes that it may go beyond `maxmemory`."""

    def __init__(self, client: Client, name: str, reserve: int) -> None:
        text = files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
        self._script, self.name = Script(client, text, reserve), name
        self.keys, self.arguments = _unpacked(text, "KEYS"), _unpacked(text, "ARGV")

    def call(self, fields: dict[str, str] | None = None, **named: Any) -> Call:
        """A call by all names, and no other. Raises TypeError."""
        if {*self.keys, *self.arguments} != named.keys():
            raise TypeError(f"{self.name}.lua is called with {sorted({*self.keys, *self.arguments} ^ named.keys())}")
        beyond = [part for pair in (fields or {}).items() for part in pair]
        return Call([named[key] for key in self.keys], [*(named[name] for name in self.arguments), *beyond])

    async def __call__(self, fields: dict[str, str] | None = None, **named: Any) -> Any:
        """One call, and its answer."""
        (answer,) = await self.run([self.call(fields, **named)])
        return answer

    async def run(self, calls: list[Call]) -> list[Any]:
        """All calls, sent at once; see Script."""
        return await self._script.run(calls)


def _unpacked(text: str, what: str) -> list[str]:
    """The names of the keys, or of the arguments, in their order."""
    found = re.search(rf"^local ([\w,\s]+?) = unpack\({what}(?:, 1, (\d+))?\)$", text, re.MULTILINE)
    names = re.split(r",\s*", found[1]) if found else []
    if not found or (found[2] and int(found[2]) != len(names)):
        raise ValueError(f"{what} are not unpacked: {names}")
    return names
