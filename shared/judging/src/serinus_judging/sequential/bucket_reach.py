"""What the buckets of a histogram can show of a margin on durations, before a run as in its verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass

from serinus_contracts.wording import edge

from serinus_judging.histogram import quantile
from serinus_judging.sequential.latency import chosen

EXACT = 1.05
"""What buckets show may be so far from the margin without a word."""


@dataclass(frozen=True)
class BucketReach:
    """seen: the least slowdown that can abort, shown: the largest that every edge which proves can show to be allowed;
    None: none at all. add: edges in seconds that would make both the margin itself."""

    ratio: float
    seen: float | None
    shown: float | None
    add: tuple[float, ...]

    @property
    def exact(self) -> bool:
        """Whether the margin itself is tested, or nearly."""
        return (
            self.seen is not None
            and self.shown is not None
            and self.seen <= self.ratio * EXACT
            and self.shown >= self.ratio / EXACT
        )

    @property
    def text(self) -> str:
        """A sentence for people."""
        if self.seen is None:
            return "with these buckets no slowdown can be seen"
        shown = "no canary can be proved to be fast enough"
        if self.shown is not None:
            shown = f"one of up to {self.shown:.3g}× is proved to be allowed"
        return (
            f"with these buckets a slowdown is seen from {self.seen:.3g}× on, {shown} (the margin is {self.ratio:g}×)"
        )

    @property
    def fix(self) -> str:
        """Which edges help; empty where none are needed."""
        edges = ", ".join(edge(one) for one in self.add)
        return "" if self.exact else f"add edges at {edges}, or use native histograms"


def bucket_reach(edges: Sequence[float], stable: Sequence[int], ratio: float) -> BucketReach:
    """By stable's counts, as in `latency.chosen`: one more than edges, some of them above 0."""
    pairs = chosen(edges, stable, ratio)
    if not pairs:
        around = [at for q in (0.5, 0.95) if (at := quantile(edges, stable, q))]
        return BucketReach(ratio, None, None, tuple(_rounded(at * by) for at in around for by in (1, ratio)))
    proofs = [pair.shown for pair in pairs if pair.proceed is not None]
    coarse = [pair for pair in pairs if pair.below != pair.above]
    add = sorted({_rounded(pair.edge / ratio) for pair in coarse})
    return BucketReach(ratio, min(pair.seen for pair in pairs), min(proofs, default=None), tuple(add))


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")
