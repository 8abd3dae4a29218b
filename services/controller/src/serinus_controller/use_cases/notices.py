"""What the team of a Rollout should know of it, said once a run until it changes: in the log and in the cluster."""

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
        self._said: dict[str, dict[str, str]] = {}

    def say(self, view: RolloutView, policies: Sequence[CanaryPolicy], text: str, subject: str = "") -> None:
        """About a Rollout and the policies that are meant, unless it was the last that was said of it on a subject.

        What may hold at the same time has subjects of its own, lest each be news after the other.
        """
        names = tuple(policy.metadata.name for policy in policies[:MAX_POLICIES])
        self.tell(Notice(view.namespace, view.name, view.uid, text, names), subject)

    def tell(self, notice: Notice, subject: str = "") -> None:
        """As `say`."""
        said = self._said.setdefault(notice.uid, {})
        if said.get(subject) != notice.text:
            said[subject] = notice.text
            logger.warning("%s", notice.text)
            self._announce(notice)

    def announce(self, notice: Notice) -> None:
        """In the cluster only, where the log has it already."""
        self._announce(notice)

    def forget(self, uid: str) -> None:
        """The Rollout is gone, or its run has ended: what holds of the next one is told again."""
        self._said.pop(uid, None)

    def settled(self, uid: str, subject: str) -> None:
        """It holds no longer: should it come back, it is told again."""
        self._said.get(uid, {}).pop(subject, None)
