"""What the watch shows of a Rollout, for who waits for it to move: no poll is as quick, nor asks for as little."""

import asyncio

from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import version_of


class RolloutUpdates:
    """From the watch, which publishes, to acts under way, which wait."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[asyncio.Future[RolloutView], int]] = {}

    def publish(self, view: RolloutView) -> None:
        """Give a view to all who wait for a newer one of its Rollout."""
        for future, version in self._waiting.get(view.uid, {}).items():
            if version_of(view) > version and not future.done():
                future.set_result(view)

    async def after(self, view: RolloutView, seconds: float) -> RolloutView | None:
        """A newer view of the Rollout, None if none is shown within so many seconds."""
        found: asyncio.Future[RolloutView] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(view.uid, {})
        waiting[found] = version_of(view)
        try:
            async with asyncio.timeout(seconds):
                return await found
        except TimeoutError:
            return None
        finally:
            del waiting[found]
            if not waiting:
                self._waiting.pop(view.uid, None)
