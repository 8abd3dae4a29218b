"""What Argo overlooks of what others change.

v1.9.1 now and then put an older version over what it had just been told and so lost a promote or an abort: the patch
stood, nobody acted, and any later change woke it. That happens here as often as it was measured of the version, by the
time since the pause began, with a set probability, or on command; a pause begun again from such an old version only in
the last two ways. Right after a pause its controller most likely still works from an older version of the Rollout; two
seconds later it has seen its own writes.
"""

from __future__ import annotations

import math
import random

import numpy as np

from serinus_simulator.argo.settings import ArgoSettings
from serinus_simulator.argo.view import Key
from serinus_simulator.clock import Agenda
from serinus_simulator.faults import Faults
from serinus_simulator.kubernetes.kinds import Object
from serinus_simulator.kubernetes.objects import Change

PROMOTES = ((0.0, 45 / 63), (0.1, 6 / 13), (0.3, 2 / 11), (1.0, 2 / 11), (2.0, 0.0))
"""Seconds since the pause began, and the share that was lost: of 63, 13, 11, 11 and 12."""
ABORTS = ((0.0, 7 / 15), (2.0, 1 / 8))
"""The same of 15 and 8; nothing was measured later, so the last share stays."""


def chance(measured: tuple[tuple[float, float], ...], seconds: float) -> float:
    """The probability so long after the pause began, straight between what was measured."""
    times, shares = zip(*measured, strict=True)
    return float(np.interp(seconds, times, shares))


DEAF_SECONDS = 1.0
"""How long a lost change stays unseen among Argo's own writes; another's change is seen at once."""


class Losses:
    """What of each Rollout's changes goes unseen, drawn from a seed."""

    def __init__(self, agenda: Agenda, faults: Faults, settings: ArgoSettings, seed: int) -> None:
        self._agenda, self._faults, self._settings = agenda, faults, settings
        self._random = random.Random(seed)
        self._before_pause: dict[Key, Object] = {}
        self._deaf_until: dict[Key, float] = {}
        self._paused_at: dict[Key, float] = {}

    def pausing(self, key: Key, read: Object) -> None:
        """Argo adds a pause to the Rollout as it has read it."""
        self._before_pause[key] = read

    def wrote(self, key: Key, change: Change) -> bool:
        """Whether Argo sees this change, which it wrote itself."""
        before, after = ((obj or {}).get("status") or {} for obj in (change.old, change.new))
        if after.get("pauseConditions") and not before.get("pauseConditions"):
            self._paused_at[key] = self._agenda.now
        return self._agenda.now >= self._deaf_until.get(key, 0.0)

    def seen(self, key: Key, old: Object, new: Object) -> Object | None:
        """What Argo holds the Rollout to be once somebody else has changed it: as it is, as it was before its pause, or
        None where the change goes unseen."""
        before, after = old.get("status") or {}, new.get("status") or {}
        promoted = bool(before.get("pauseConditions")) and not after.get("pauseConditions")
        aborted = bool(after.get("abort")) and not before.get("abort")
        lost = promoted and self._loses("lose_promotes", self._settings.lose_promotes, PROMOTES, key)
        if lost or (aborted and self._loses("lose_aborts", self._settings.lose_aborts, ABORTS, key)):
            self._deaf_until[key] = self._agenda.now + DEAF_SECONDS
            return None
        older = self._before_pause.get(key)
        if promoted and older is not None and self._happens("repause", self._settings.repauses, key):
            return older
        return new

    def hears(self, key: Key) -> None:
        """It has seen the Rollout as it is."""
        self._deaf_until.pop(key, None)

    def forget(self, key: Key) -> None:
        """The Rollout was deleted."""
        self._before_pause.pop(key, None)
        self._paused_at.pop(key, None)

    def _loses(
        self, effect: str, probability: float | None, measured: tuple[tuple[float, float], ...], key: Key
    ) -> bool:
        if probability is None:
            since = self._agenda.now - self._paused_at.get(key, -math.inf)
            probability = chance(measured, since) if self._settings.version == "1.9.1" else 0.0
        return self._happens(effect, probability, key)

    def _happens(self, effect: str, probability: float, key: Key) -> bool:
        return self._faults.argo(effect, *key) or (probability > 0 and self._random.random() < probability)
