"""Latency from buckets (docs/explanation/judging.md, "Latency"; docs/adr/0087).

"The canary is at most r times slower" means that no more of its requests are slower than e than of stable's are
slower than e / r, for every e. At an edge e of the histogram the canary's share is counted; stable's at e / r mostly
lies between two edges. There it is read as all that is above the next edge and a part of what is in the bucket. The
part is fixed before anything is judged, by stable's own distribution: for aborting so large, for proceeding so small
as the buckets beside allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from serinus_contracts.metric import QUANTILES

from serinus_judging.sequential.survival import Slower, Survival

PROVABLE = 0.01
"""An edge has a part in proceeding where a canary equal to stable gives so much of the evidence of the best edge."""


BLIND = "with these buckets no slowdown can be seen: add edges around stable's p50 and p95"
"""Where no edge can show anything."""


@dataclass(frozen=True)
class Pair:
    """What is tested at one edge of the canary's, in seconds.

    Stable's requests above `above` count as slower than edge / ratio, and of those between `below` (0: none lies
    below) and `above` the part `abort` or `proceed` (None: these buckets cannot prove anything here). seen: the least
    slowdown of the canary that is evidence for an abort, shown: the largest that can be shown to be allowed; both are
    the ratio itself where edge / ratio is an edge.
    """

    quantile: float
    edge: float
    below: float
    above: float
    abort: float
    proceed: float | None
    seen: float
    shown: float


Pairs = tuple[Pair, ...] | None
"""Of one latency metric, first those that prove, each in the order of edges; None while they are not yet fixed."""


def chosen(edges: Sequence[float], stable: Sequence[int], ratio: float) -> tuple[Pair, ...]:
    """What to test, fixed for the run: the edges at which the margin lies nearest stable's p50, p75, p90, p95 and p99.

    edges: upper bounds in seconds; stable: counts per bucket, one more. Nearest is meant in the logarithm of the
    share that is slower, since that is what is tested. Empty without requests or where no edge can show anything.
    """
    if len(stable) != len(edges) + 1 or sum(stable) <= 0 or min(stable) < 0:
        return ()
    curve = Survival(edges, stable)
    margins: dict[int, Slower] = {}
    for place, edge in enumerate(curve.edges):
        margin = curve.at(edge / ratio)
        if margin is not None and 0 < margin.share < 1 and (margin.most < 1 or margin.least > curve.share(place)):
            margins[place] = margin
    best: dict[int, tuple[float, float]] = {}
    for quantile in QUANTILES if margins else ():
        miss, place = min((abs(log(margin.share / (1 - quantile))), place) for place, margin in margins.items())
        best[place] = min(best.get(place, (miss, quantile)), (miss, quantile))
    proofs = {place: _evidence(curve.share(place), margins[place].least) for place in best}
    enough = PROVABLE * max(proofs.values(), default=0.0)
    pairs = [
        _pair(quantile, curve.edges[place], margins[place], proves=proofs[place] > 0 and proofs[place] >= enough)
        for place, (_, quantile) in sorted(best.items())
    ]
    return tuple(sorted(pairs, key=lambda pair: pair.proceed is None))


def _evidence(own: float, allowed: float) -> float:
    """Of one request of a canary equal to stable, on average, that no more than `allowed` are slower."""
    if not own < allowed < 1:
        return 0.0
    return (own * log(own / allowed) if own else 0.0) + (1 - own) * log((1 - own) / (1 - allowed))


def _pair(quantile: float, edge: float, margin: Slower, proves: bool) -> Pair:
    return Pair(
        quantile=quantile,
        edge=edge,
        below=margin.below,
        above=margin.above,
        abort=margin.part(margin.most),
        proceed=margin.part(margin.least) if proves else None,
        seen=edge / margin.early,
        shown=edge / margin.late,
    )
