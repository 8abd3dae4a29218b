"""Up to when each process was counted, so that what can be read only later is counted in the next window.

A server may show a sample seconds after its time: a series that is new (VictoriaMetrics' index), or one that came by a
slow shard of a remote write. Samples of one series come in order. So all series of a process are counted up to the last
scrape that all of them show, and the next window of that process begins there, whatever the window of the metric is
called. Series of which that is not true are named: those that the process has dropped, which may be late, and young
ones, which else could not be told from those that were hidden (docs/adr/0093).
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from serinus_contracts.base import Millis
from serinus_contracts.selector import Labels

from serinus_counting.series import Renamed, Series

# A new series can be read so long after its sample at the latest; a snapshot ends one scrape interval ago anyway.
HIDDEN_MS = 20_000
HIDDEN_SCRAPES = 12
# A process that was not counted so far has gone, or waits for longer than any that goes on.
RECENT_SCRAPES = 4
# A metric that failed for longer gives up the older part of its window: Prometheus would not thank us for more.
MAX_WINDOW_MS = 3_600_000
# What a dropped series had counted is kept for so long, should it be late; the second where there is little room.
MAX_LATE_MS = (MAX_WINDOW_MS, 600_000)
# Of what is kept of all metrics of a run.
MAX_BYTES = 14 * 1024


class Mark(NamedTuple):
    """One process: its series are counted up to `end` (ms), but for those in `series`, by key.

    `falls`: scrapes at which it had restarted, so far in the stage; `restarts`: how often its containers had before;
    `number`: of the series that are counted up to `end`, None where that is not known.
    """

    end: Millis
    series: Mapping[str, Millis] = {}
    falls: int = 0
    restarts: int = 0
    number: int | None = None


NOTHING = Mark(0)
"""Of a process that was not counted before."""


@dataclass(frozen=True)
class Progress:
    """What of one metric is counted in its stage. `since`: where its first window began. `scrape_ms`: the interval by
    which series were young. Where `marks` is None, everything is counted up to the end of the last window."""

    since: Millis
    scrape_ms: int
    marks: Mapping[str, Mark] | None = field(default_factory=dict)


def packed(progress: Progress) -> list[Any]:
    """As JSON that takes little room."""
    if progress.marks is None:
        return [progress.since, progress.scrape_ms]
    return [
        progress.since,
        progress.scrape_ms,
        {k: _packed(mark, progress.since) for k, mark in progress.marks.items()},
        [mark.number for mark in progress.marks.values()],
    ]


def unpacked(found: Sequence[Any]) -> Progress:
    """What `packed` gave."""
    since, scrape_ms, *rest = found
    if not rest:
        return Progress(since, scrape_ms, None)
    # A collector from before numbers wrote none.
    numbers = rest[1] if len(rest) > 1 else [None] * len(rest[0])
    marks = {k: _unpacked(mark, since, number) for (k, mark), number in zip(rest[0].items(), numbers, strict=True)}
    return Progress(since, scrape_ms, marks)


def bytes_at_most(progress: Progress) -> int:
    """Of what `packed` gives."""
    long = [mark for mark in (progress.marks or {}).values() if not _short(mark)]
    numbers = sum([len(str(mark.number)) for mark in (progress.marks or {}).values()])
    # `null` is as long as None.
    return 64 + 27 * len(progress.marks or ()) + numbers + sum(32 + 26 * len(mark.series) for mark in long)


def _short(mark: Mark) -> bool:
    return not (mark.series or mark.falls or mark.restarts)


def _packed(mark: Mark, since: Millis) -> Any:
    if _short(mark):
        return mark.end - since
    by_time: dict[int, str] = {}
    for key, time in mark.series.items():
        by_time[time - since] = by_time.get(time - since, "") + key
    return [mark.end - since, by_time, mark.falls, mark.restarts]


def _unpacked(found: Any, since: Millis, number: int | None) -> Mark:
    if isinstance(found, int):
        return Mark(found + since, number=number)
    end, by_time, falls, restarts = found
    series = {
        keys[at : at + _KEY]: int(time) + since for time, keys in by_time.items() for at in range(0, len(keys), _KEY)
    }
    return Mark(end + since, series, falls, restarts, number)


_KEY = 8


@lru_cache(20_000)
def target_key(parts: tuple[str, ...]) -> str:
    """Eight characters by which a process is remembered."""
    return b64encode(blake2b("\0".join(parts).encode(), digest_size=6).digest()).decode()


def series_key(series: Series) -> str:
    """Likewise a series, by its labels."""
    return _labels_key(series.labels)


def series_keys(series: Series) -> Sequence[str]:
    """By which it may be remembered: by its labels, or else by those that it had before."""
    key = series_key(series)
    return (key, _labels_key(series.before)) if isinstance(series, Renamed) else (key,)


def _labels_key(labels: Labels) -> str:
    return target_key(tuple([part for pair in sorted(labels.items()) for part in pair]))


def hidden_ms(scrape_ms: int) -> int:
    """A series that is younger than this when it is counted may have been hidden from the snapshot before."""
    return max(0, min(HIDDEN_MS - scrape_ms, HIDDEN_SCRAPES * scrape_ms))


def lookback_ms(scrape_ms: int) -> int:
    """How much of a series before the end of its last window tells whether it was young then: a scrape lies in it."""
    return round(hidden_ms(scrape_ms) + 1.6 * scrape_ms)


def read_from(progress: Progress | None, end: Millis) -> Millis:
    """Since when samples are to be read in the window after one that ended at `end`."""
    if progress is None:
        return end
    ends = [mark.end for mark in (progress.marks or {}).values()]
    recent = [one for one in ends if one > end - RECENT_SCRAPES * progress.scrape_ms]
    return min([end, *recent]) - lookback_ms(progress.scrape_ms)
