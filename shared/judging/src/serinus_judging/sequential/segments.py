"""Of a metric with a segment: which values of its label are judged apart, and whether the arms get the same mix.

A value gets a place of its own when both arms have requests of it in one snapshot, those with most requests first, and
keeps it; what has none is judged together as others. Places are given by trials alone and before the first count of a
place is judged, and their shares of the evidence are fixed, so the average of their e-processes is one.
"""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MAX_SEGMENT_BYTES, Finding, Proportion
from serinus_contracts.events import Segment as Measured
from serinus_contracts.wording import percent, segment

from serinus_judging.arrays import Floats
from serinus_judging.guardrails import sample_ratio
from serinus_judging.guardrails.sample_ratio import SampleRatio
from serinus_judging.snapshot import NOTHING, Quad, Reading, summed

PLACES = 16
"""Channels of a metric's segments; the last is that of the others."""
NAMED = PLACES - 1
OTHERS = PLACES - 1
WHOLE = 0.5
"""Part of a metric's evidence that all segments have together, as one count by strata; each alone shares the rest."""
COMPARABLE, ENOUGH = 0.5, 20
"""Part of the canary's requests that must be in segments which stable has too, from so many requests on."""
ASTRAY, FEW = 0.1, 5
"""Part of the events that may lack their trials in a segment: a few always fall between two scrapes."""
TOLD = 5
"""Segments that a verdict names."""


def _shares() -> Floats:
    """Of the places in order, falling, so that few segments are not charged for many."""
    rank = np.array([*range(NAMED), NAMED - 1])
    weight = 1 / (rank + 4.0)
    result: Floats = weight / weight.sum()
    return result


LOG_SHARES = np.log(_shares())


class Segments(NamedTuple):
    """Of one metric: the values with a place, in order, and how the requests of each place were split in this stage."""

    names: tuple[str, ...] = ()
    mix: tuple[SampleRatio, ...] = (SampleRatio(),) * PLACES


def by_segment(reading: Reading) -> tuple[dict[str, Quad], Quad]:
    """Counts by value and of the others, whose sum is the reading's; pods that it leaves out are left out here too.

    A snapshot without counts by segment has them all among the others.
    """
    measured = reading.measured
    if reading.status != "ok" or not isinstance(measured, Proportion):
        return {}, NOTHING
    if not measured.segments and measured.other_segments is None:
        return {}, reading.quad
    others = measured.other_segments
    return (
        {name: _quad(each, reading.cold) for name, each in measured.segments.items()},
        NOTHING if others is None else _quad(others, reading.cold),
    )


def _quad(segment: Measured, cold: tuple[int, int]) -> Quad:
    (x, n), (y, m) = segment.canary, segment.stable
    if cold[0]:
        x, n = x - segment.canary_young[0], n - segment.canary_young[1]
    if cold[1]:
        y, m = y - segment.stable_young[0], m - segment.stable_young[1]
    return x, n, y, m


def checked(label: str, rate: bool, reading: Reading) -> Reading:
    """A reading that is an error where segments cannot be compared: events have other values than their trials, or most
    of the canary's requests are in segments that stable does not have."""
    if reading.status != "ok":
        return reading
    measured = reading.measured
    counted = isinstance(measured, Proportion) and (measured.segments or measured.other_segments)
    if counted and not _adds_up(measured):
        return Reading("error", f"counts by {label} are not those of the whole", reading.seconds, measured=measured)
    named, others = by_segment(reading)
    if (named.keys() <= {""} and others == NOTHING) or not counted:
        why = f"no series has the label {label}" if counted else f"no counts by {label} in this snapshot"
        return reading._replace(detail="; ".join(filter(None, (reading.detail, f"{why}: judged as a whole"))))
    x, n, y, _ = reading.quad
    for arm, events, i in (("canary", x, 0), ("stable", y, 2)):
        astray = sum(quad[i] - _at_most(quad, rate)[i] for quad in (*named.values(), others))
        if astray > FEW + ASTRAY * events:
            detail = (
                f"{astray:,} events of {arm} have a value of {label} that no trials have: do both metrics carry it?"
            )
            return Reading("error", detail, reading.seconds, measured=reading.measured)
    shared = sum(quad[1] for quad in (*named.values(), others) if quad[3] > 0)
    if n < ENOUGH or shared >= COMPARABLE * n:
        return reading
    detail = f"only {percent(shared / n)} of the canary's requests have a value of {label} that stable's have too"
    return Reading("error", detail, reading.seconds, measured=reading.measured)


def placed(known: tuple[str, ...], named: Mapping[str, Quad]) -> tuple[str, ...]:
    """The names with a place after a snapshot with these counts."""
    if len(known) == NAMED:
        return known
    new = [name for name, (_, n, _, m) in named.items() if n > 0 and m > 0 and name not in known]
    new = [name for name in new if len(name.encode()) <= MAX_SEGMENT_BYTES]
    new.sort(key=lambda name: (-named[name][1] - named[name][3], name))
    return (*known, *new)[:NAMED]


def _at_most(quad: Quad, rate: bool) -> Quad:
    """Counts whose events do not exceed their trials, of rates none without trials."""
    x, n, y, m = quad
    return (x if n else 0, n, y if m else 0, m) if rate else (min(x, n), n, min(y, m), m)


def by_place(names: tuple[str, ...], named: Mapping[str, Quad], others: Quad, rate: bool) -> list[Quad]:
    """The counts of each place; what has none of its own is added to the others.

    Nothing of the canary is left unjudged: its requests where stable has none, and events without trials of their own,
    are counted in the place with most of stable's requests.
    """
    quads = [named.get(name, NOTHING) for name in names] + [NOTHING] * (NAMED - len(names))
    rest = [quad for name, quad in named.items() if name not in names]
    x, n, y, m = map(sum, zip(others, *rest, strict=True))
    quads.append((x, n, y, m))
    most = max(range(PLACES), key=lambda place: quads[place][3])
    kept = [_at_most(quad, rate) if quad[3] or place == most else NOTHING for place, quad in enumerate(quads)]
    moved = [sum(quad[i] for quad in quads) - sum(quad[i] for quad in kept) for i in range(4)]
    x, n, y, m = (one + more for one, more in zip(kept[most], moved, strict=True))
    kept[most] = x, n, y, m
    return kept


def _adds_up(measured: object) -> bool:
    """Whether segments are a part each of the counts of all pods."""
    assert isinstance(measured, Proportion)
    parts = [*measured.segments.values(), *filter(None, [measured.other_segments])]
    arms = [(each.canary, each.canary_young) for each in parts], [(each.stable, each.stable_young) for each in parts]
    for pods, found in zip((measured.canary, measured.stable), arms, strict=True):
        if any(not 0 <= young[i] <= own[i] for own, young in found for i in (0, 1)):
            return False
        if summed(pods) != tuple(sum(own[i] for own, _ in found) for i in (0, 1)):
            return False
    return True


def split(segments: Segments, quads: Sequence[Quad], seconds: float, fresh: bool) -> Segments:
    """With the requests of one more snapshot, held against the split of all: fresh, its stage has just begun."""
    n, m = sum(quad[1] for quad in quads), sum(quad[3] for quad in quads)
    mix = [SampleRatio(pace=each.pace) for each in segments.mix] if fresh else segments.mix
    if not n or not m:
        return segments._replace(mix=tuple(mix))
    weight = 100 * n / (n + m)
    after = [sample_ratio.after(each, quad[1], quad[3], weight, seconds) for each, quad in zip(mix, quads, strict=True)]
    return segments._replace(mix=tuple(after))


def log_mismatch(segments: Segments) -> float:
    """ln of the mean evidence over the places in use that one arm gets more than its part of them."""
    used: list[float] = [segments.mix[place].log_mismatch for place in (*range(len(segments.names)), OTHERS)]
    top = max(used)
    return top + log(sum(exp(each - top) for each in used) / len(used))


def mixed(metric: str, label: str, segments: Segments, false_abort_rate: float) -> Finding | None:
    """That the arms get another mix of segments, where there is as much evidence of it as an abort takes."""
    evidence = log_mismatch(segments)
    if evidence < -log(false_abort_rate):
        return None
    place = max((*range(len(segments.names)), OTHERS), key=lambda i: segments.mix[i].log_mismatch)
    each = segments.mix[place]
    canary, stable = (sum(getattr(one, arm) for one in segments.mix) for arm in ("canary", "stable"))
    own, other = each.canary / max(canary, 1), each.stable / max(stable, 1)
    text = (
        f"{named(label, segments.names, place)} has {percent(own, other)} of the canary's requests and "
        f"{percent(other, own)} of stable's: the arms get another mix, and are compared segment by segment"
    )
    values = {"canary_share": own, "stable_share": other, "log_mismatch": evidence}
    return Finding(kind="traffic", metric=metric, severity="warning", text=text, values=values)


def named(label: str, names: Sequence[str], place: int) -> str:
    """route /checkout, or what is said of the others."""
    return segment(label, names[place] if place < len(names) else None)
