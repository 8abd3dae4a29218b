"""Of a metric that is tested in several ways (a latency's edges), the one that tells most."""

from collections.abc import Sequence
from typing import NamedTuple

from serinus_contracts.events import Channel, Counts, MetricVerdict


class Shown(NamedTuple):
    """A channel with its counts in this stage. `ratio`: the canary's rate over what the margin allows."""

    channel: Channel
    canary: Counts
    stable: Counts

    @property
    def allowed(self) -> float | None:
        """The rate up to which (or, where higher is better, down to which) the margin goes."""
        rate = self.stable.rate
        margin = self.channel.margin
        return None if rate is None and margin.ratio else margin.ratio * (rate or 0.0) + margin.absolute

    @property
    def ratio(self) -> float | None:
        """1 is the margin; None where a rate is not known or nothing is allowed."""
        rate, allowed = self.canary.rate, self.allowed
        return None if rate is None or not allowed else rate / allowed


def channels(metric: MetricVerdict) -> list[Shown]:
    """All channels, with counts of this stage where the verdict has them, else of the run."""
    staged = len(metric.stage) >= 2 * len(metric.run)
    return [
        Shown(channel, metric.stage[2 * i], metric.stage[2 * i + 1])
        if staged
        else Shown(channel, channel.canary, channel.stable)
        for i, channel in enumerate(metric.run)
    ]


def most_telling(evidence: Sequence[float]) -> int:
    """Index of the channel with the most evidence of harm, of equals the one in the middle.

    Raises ValueError where there is none.
    """
    middle = len(evidence) // 2
    return min(range(len(evidence)), key=lambda i: (-evidence[i], abs(i - middle)))


def telling(metric: MetricVerdict) -> Shown | None:
    """The channel that tells most; None where nothing is counted."""
    found = channels(metric)
    return found[most_telling([one.channel.log_eprocess for one in found])] if found else None
