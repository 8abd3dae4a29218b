"""Series that came too late to be counted: what they had counted by then is in no window, and is told."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from serinus_contracts.base import Millis

from serinus_counting.advance import late
from serinus_counting.resets import Process
from serinus_counting.series import Series, Target
from serinus_counting.stretch import Fetched

# Of the pods that are named.
_MOST_SHOWN = 3


def overlooked(found: Mapping[Target, Process], fetched: Fetched) -> str | Millis:
    """What of late series is in no window, in words, "" where there are none. Where samples from further back tell how
    much that is, since when."""
    if fetched.before is None or not fetched.before.marks:
        return ""
    seen = {target: late(target, process, fetched.before) for target, process in found.items()}
    seen = {target: one for target, one in seen.items() if one[0]}
    if not seen:
        return ""
    if not fetched.last:
        return min(end for _, _, end in seen.values())
    number = sum(one[0] for one in seen.values())
    pods = sorted({found[target].pod for target in seen} - {""})
    of = f" of {', '.join(pods[:_MOST_SHOWN])}{', ...' if len(pods) > _MOST_SHOWN else ''}" if pods else ""
    first = fetched.since + 1.6 * fetched.before.scrape_ms
    born = [_counted_by(end, among, first)[-one:] for one, among, end in seen.values()]
    # What was there before `first` came later than all that is kept: nobody knows from which value on.
    known = sum(map(len, born)) == number
    lost = f"up to {round(sum(map(sum, born))):,} counts are" if known else "what they had counted by then is"
    waited = "a new series is waited for 20 s, others ten minutes at least"
    return f"{number} series{of} came too late to be counted from the beginning, {lost} missing ({waited})"


def _counted_by(end: Millis, among: Sequence[Series], first: float) -> Sequence[float]:
    """What each series among these that appeared after `first` had counted by `end`, ascending."""
    return sorted(
        one.values[bisect_right(one.times, end) - 1] if one.labels.get("le", "+Inf") == "+Inf" else 0
        for one in among
        if one.times[0] > first
    )
