"""Samples as Prometheus stores them, and which process they come from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from serinus_contracts.selector import Labels

# Labels that a scrape configuration commonly puts on every series of one target.
TARGET_LABELS = ("job", "instance", "namespace", "service", "endpoint", "node", "pod", "container")
# Where a scrape honours their labels, these proxies say by them for whom they count.
_COUNTED_FOR = ("namespace", "service")
_PROXIES = ("traefik_", "nginx_ingress_controller_")

Target = tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """One series: labels with `__name__`, sample times in ms, ascending, and the values at them."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]

    @cached_property
    def target(self) -> Target:
        """What names the scraped process, as far as labels tell."""
        get = self.labels.get
        if get("__name__", "").startswith(_PROXIES):
            return tuple([get(label, "") for label in TARGET_LABELS if label not in _COUNTED_FOR])
        return tuple([get(label, "") for label in TARGET_LABELS])


@dataclass(frozen=True)
class Renamed(Series):
    """One that had these labels `before` its scrape configuration gave it others."""

    before: Labels


def with_pods(series: Sequence[Series], label: str) -> Sequence[Series]:
    """The same series, with the pod that a label of another name holds as `pod`."""
    if label == "pod":
        return series
    return [replace(one, labels={**one.labels, "pod": one.labels.get(label, "")}) for one in series]


def scrape_interval(series: Sequence[Series]) -> int | None:
    """Median distance (ms) of neighbouring samples, None if no series has two.

    A few series suffice: all of a job are scraped at the same interval, and a median bears missed scrapes.
    """
    return median_distance(one.times for one in series)


def median_distance(columns: Iterable[Sequence[int]]) -> int | None:
    """Of neighbouring times (ms) in some fifty distances of the first columns; None if no column has two times."""
    distances: list[int] = []
    for times in columns:
        distances.extend(later - earlier for earlier, later in pairwise(times))
        if len(distances) >= 50:
            break
    return sorted(distances)[len(distances) // 2] if distances else None


def with_one_spelling(series: Sequence[Series]) -> Sequence[Series]:
    """The same buckets, those that differ in the spelling of `le` alone as one: "10" becomes "10.0" where a Prometheus
    goes from 2 to 3, or a page from text to OpenMetrics."""
    edges = {text: _number(text) for text in {one.labels.get("le", "") for one in series}}
    if len(set(edges.values())) == len(edges):
        return series
    found: dict[tuple[tuple[str, str], ...], Series] = {}
    for one in series:
        edge = edges[one.labels.get("le", "")]
        known = tuple(sorted({**one.labels, "le": str(edge)}.items()))
        found[known] = _joined(found[known], one) if known in found else one
    return list(found.values())


def _joined(one: Series, other: Series) -> Series:
    newer = max(one, other, key=lambda each: each.times[-1])
    samples = sorted(zip((*one.times, *other.times), (*one.values, *other.values), strict=True))
    # Of two at one time the larger: the other is of the spelling that ends or begins.
    by_time = dict(samples)
    return Series(newer.labels, list(by_time), list(by_time.values()))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
