"""What every route needs, wired once."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from serinus_contracts import Keys
from serinus_contracts.base import Millis
from serinus_runtime.clock import Clock
from serinus_runtime.redis import Client

from serinus_console.entrypoints.web.guard import Guard
from serinus_console.use_cases.ports import Archive
from serinus_console.use_cases.runs import Runs


@dataclass(frozen=True)
class Site:
    """What the routes share: the runs, the archive, who may act, and clocks."""

    runs: Runs
    archive: Archive
    guard: Guard
    client: Client
    keys: Keys
    clock: Clock

    def now(self) -> Millis:
        """Redis' clock, by which all times in events are, as last heard."""
        return self.clock() + self.runs.offset

    @staticmethod
    def path(path: str, query: Mapping[str, object]) -> str:
        """A path with those parameters that say something."""
        return f"{path}?{urlencode({name: value for name, value in query.items() if value != ''})}"
