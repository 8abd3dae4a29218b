"""Directories that need no cluster."""

import secrets
from dataclasses import dataclass

from serinus_console.use_cases.ports import Person


class ReadOnly:
    """Read-only."""

    async def person(self, token: str) -> Person | None:
        return None

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        return False


@dataclass(frozen=True)
class SharedToken:
    """Whoever has the token may do everything: for a demo on one machine."""

    token: str

    async def person(self, token: str) -> Person | None:
        return Person("operator") if secrets.compare_digest(token.encode(), self.token.encode()) else None

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        return True
