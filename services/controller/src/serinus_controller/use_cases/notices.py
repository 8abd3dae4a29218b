"""What the team of a Rollout should know of it, said once until it changes: in the log and in the cluster."""

import logging
from collections.abc import Callable, Sequence

from serinus_contracts.policy import CanaryPolicy
from serinus_rollouts.rollout import RolloutView

from serinus_controller.domain.announce import Notice

logger = logging.getLogger(__name__)
# Policies on which the same is told.
MAX_POLICIES = 5


class Notices:
    """Of all Rollouts; `announce` says one in the cluster."""

    def __init__(self, announce: Callable[[Notice], None] = lambda notice: None) -> None:
        self._announce = announce
        self._said: dict[str, str] = {}

    def say(self, view: RolloutView, policies: Sequence[CanaryPolicy], text: str) -> None:
        """About a Rollout and the policies that are meant, unless it was the last that was said of the Rollout."""
        names = tuple(policy.metadata.name for policy in policies[:MAX_POLICIES])
        self.tell(Notice(view.namespace, view.name, view.uid, text, names))

    def tell(self, notice: Notice) -> None:
        """As `say`."""
        if self._said.get(notice.uid) != notice.text:
            self._said[notice.uid] = notice.text
            logger.warning("%s", notice.text)
            self._announce(notice)

    def announce(self, notice: Notice) -> None:
        """In the cluster only, where the log has it already."""
        self._announce(notice)

    def forget(self, uid: str) -> None:
        """The Rollout is gone."""
        self._said.pop(uid, None)
