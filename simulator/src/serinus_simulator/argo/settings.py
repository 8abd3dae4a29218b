"""Which Argo it is, how long it takes, and what it overlooks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArgoSettings:
    """`delay` is the time in seconds that one pass takes: half of it in the queue, half of it at each write.

    The others are probabilities; None is what was measured of the version.
    """

    delay: float = 0.01
    version: str = "master"
    lose_promotes: float | None = None
    lose_aborts: float | None = None
    repauses: float = 0.0
