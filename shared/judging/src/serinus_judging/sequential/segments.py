"""Of a metric with a segment: which values of its label are judged apart, and whether the arms get the same mix.

A value gets a place of its own when both arms have requests of it in one snapshot, those with most requests first, and
keeps it; what has none is judged together as others. Places are given by trials alone and before the first count of a
place is judged, and their shares of the evidence are fixed, so the average of their e-processes is one.
"""

from collections.abc import Collection, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MAX_SEGMENT_BYTES, Proportion
from serinus_contracts.events import Segment as Measured
from serinus_contracts.wording import percent, segment

from serinus_judging.arrays import Floats
from serinus_judging.assessment import Fields
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


def by_segment(label: str, reading: Reading) -> tuple[dict[str, Quad], Quad]:
    """Counts by value and of the others, whose sum is the reading's; pods that it leaves out are left out here too.

    Nothing where they are not by this label: such a snapshot is judged as a whole.
    """
    measured = reading.measured
    if reading.status != "ok" or not isinstance(measured, Proportion) or measured.segment != label:
        return {}, NOTHING
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
    """A reading that no gate may rest on where segments cannot be compared: events have other values than their trials,
    or most of the canary's requests are in segments that stable does not have. Its counts are judged all the same."""
    if reading.status != "ok":
        return reading
    measured = reading.measured
    assert isinstance(measured, Proportion)
    counted = bool(measured.segments or measured.other_segments)
    if counted and not _adds_up(measured):
        return Reading("error", f"counts by {label} are not those of the whole", reading.seconds, measured=measured)
    if not counted:
        return _as_whole(reading, f"no counts by {label} in this snapshot")
    if measured.segment != label:
        return _as_whole(reading, f"counts by {measured.segment or 'a label without a name'}, not by {label}")
    named, others = by_segment(label, reading)
    if named.keys() <= {""} and others == NOTHING:
        return _as_whole(reading, f"no series has the label {label}")
    why = _incomparable(label, named, others, reading.quad, rate)
    return reading._replace(no_gate=why) if why else reading


def _as_whole(reading: Reading, why: str) -> Reading:
    return reading._replace(detail="; ".join(filter(None, (reading.detail, f"{why}: judged as a whole"))))


def _incomparable(label: str, named: Mapping[str, Quad], others: Quad, whole: Quad, rate: bool) -> str:
    """Why counts by segment are no comparison of the arms, if they are not."""
    astray = _astray((*named.values(), others), whole, rate)
    if astray is not None:
        arm, events = astray
        return f"{events:,} events of {arm} have a value of {label} that no trials have: do both metrics carry it?"
    _, n, _, _ = whole
    shared = sum(quad[1] for quad in (*named.values(), others) if quad[3] > 0)
    if n < ENOUGH or shared >= COMPARABLE * n:
        return ""
    return f"only {percent(shared / n)} of the canary's requests have a value of {label} that stable's have too"


def _astray(quads: Collection[Quad], whole: Quad, rate: bool) -> tuple[str, int] | None:
    """The arm with more events than a few whose trials have another value, and how many."""
    for arm, i in (("canary", 0), ("stable", 2)):
        astray = sum(quad[i] - _at_most(quad, rate)[i] for quad in quads)
        if astray > FEW + ASTRAY * whole[i]:
            return arm, astray
    return None


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

    What has no place in this snapshot is left to `strata.with_rest`, which compares the canary with all of stable:
    requests of which the other arm has none, and a few events of the canary whose trials have another value, with as
    many trials of the place that has most. Such events of stable are counted in its largest place. Where they are many,
    nothing has a place.
    """
    every = (*named.values(), others)
    x, n, y, m = map(sum, zip(*every, strict=True))
    if _astray(every, (x, n, y, m), rate) is not None:
        return [NOTHING] * PLACES
    fit = {name: _at_most(quad, rate) for name, quad in named.items() if quad[1] and quad[3]}
    rest = [quad for name, quad in fit.items() if name not in names]
    rest += [_at_most(others, rate)] if others[1] and others[3] else []
    u, k, v, j = map(sum, zip(NOTHING, *rest, strict=True))
    quads = [fit.get(name, NOTHING) for name in names] + [NOTHING] * (NAMED - len(names)) + [(u, k, v, j)]
    left, left_trials = x - sum(quad[0] for quad in quads), n - sum(quad[1] for quad in quads)
    missing = max(min(left, 1) if rate else left, 0) - left_trials
    if missing > 0:
        most = max(range(PLACES), key=lambda place: quads[place][1] - quads[place][0])
        u, k, v, j = quads[most]
        if k - missing < max(u, 1):
            return [NOTHING] * PLACES
        quads[most] = u, k - missing, v, j
    most = max(range(PLACES), key=lambda place: quads[place][3])
    u, k, v, j = quads[most]
    v += sum(quad[2] - _at_most(quad, rate)[2] for quad in every)
    quads[most] = u, k, v, j
    return quads if _at_most(quads[most], rate) == quads[most] else [NOTHING] * PLACES


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


def mixed(metric: str, label: str, segments: Segments, false_abort_rate: float) -> Fields | None:
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
    return {"kind": "traffic", "metric": metric, "severity": "warning", "text": text, "values": values}


def named(label: str, names: Sequence[str], place: int) -> str:
    """route /checkout, or what is said of the others."""
    return segment(label, names[place] if place < len(names) else None)
