"""Of a metric that is tested in several ways (a latency's edges), the one that tells most."""

from typing import NamedTuple

from serinus_contracts import Channel, Counts, MetricVerdict


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


def telling(metric: MetricVerdict) -> Shown | None:
    """The channel with the most evidence of harm, of equals the one in the middle; None where nothing is counted."""
    found = channels(metric)
    if not found:
        return None
    middle = len(found) // 2
    order = sorted(range(len(found)), key=lambda i: (-found[i].channel.log_eprocess, abs(i - middle)))
    return found[order[0]]
