"""A directory that remembers its answers briefly, so that a page with a session does not ask at every request."""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from serinus_console.use_cases.ports import Directory, Person

MAX_REMEMBERED = 5_000


@dataclass
class Remembered:
    """`monotonic` gives seconds. Tokens are remembered by their digest."""

    directory: Directory
    seconds: float
    monotonic: Callable[[], float]
    _answers: OrderedDict[Any, tuple[float, Any]] = field(default_factory=OrderedDict)

    async def person(self, token: str) -> Person | None:
        digest = hashlib.sha256(token.encode()).digest()
        found: Person | None = await self._answer(digest, lambda: self.directory.person(token))
        return found

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        key = person, namespace, name
        found: bool = await self._answer(key, lambda: self.directory.may_act(person, namespace, name))
        return found

    async def _answer(self, key: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        until, answer = self._answers.get(key, (0.0, None))
        if self.monotonic() < until:
            return answer
        answer = await ask()
        self._answers[key] = (self.monotonic() + self.seconds, answer)
        self._answers.move_to_end(key)
        if len(self._answers) > MAX_REMEMBERED:
            self._answers.popitem(last=False)
        return answer
