"""What is remembered beside a judge's evidence between two looks of a run, and how it is packed.

Layout of the bytes: a header with all lengths, the widths of the histograms, the abort that was found if any, then the
arrays by their type, little endian. Bytes of another version are not read: what is remembered here is of this stage
only, and can be learnt anew.
"""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from serinus_contracts.events import Reason

from serinus_judging.arrays import Floats
from serinus_judging.guardrails.liveness import Trouble
from serinus_judging.packing import Reader

VERSION = 2
_HEADER = struct.Struct("<BiqiIhI14H")
_TROUBLE = np.dtype([("pod", "<u4"), ("restarts", "<u2"), ("restarted", "<i8"), ("unready", "<i8")])
_BEYOND = np.dtype([("limit", "u1"), ("pod", "<u4")])


@dataclass(frozen=True)
class Fallen:
    """An abort beside the judge: it stays, with its words."""

    reason: Reason
    regressed: str
    text: str


@dataclass(frozen=True, eq=False)
class Followed:
    """What is gathered of a stage, of P pods (the canary's `own` first), F features, G gauges and M counted metrics.

    pods (P,): identities; sums (F, P): of the features' distances from the pods' median, over `seen` (F, P) looks;
    levels (2, F): sums of these medians, and over how many looks; times (T,): seconds from the stage's start of the
    points kept; rates (T, M): the canary's of each counted metric; logs (T, G, P): ln of each gauge of each pod, NaN
    where absent; totals (M, 5): x, n, y, m and seconds; buckets: per latency metric the requests (2, B) of canary and
    stable.
    """

    pods: npt.NDArray[np.uint32]
    own: int
    sums: Floats
    seen: Floats
    levels: Floats
    times: Floats
    rates: Floats
    logs: Floats
    totals: Floats
    buckets: tuple[Floats, ...]

    @classmethod
    def empty(cls, gauges: int, counted: int, durations: int) -> "Followed":
        features = gauges + counted
        return cls(
            pods=np.zeros(0, dtype=np.uint32),
            own=0,
            sums=np.zeros((features, 0)),
            seen=np.zeros((features, 0)),
            levels=np.zeros((2, features)),
            times=np.zeros(0),
            rates=np.zeros((0, counted)),
            logs=np.zeros((0, gauges, 0)),
            totals=np.zeros((counted, 5)),
            buckets=(np.zeros((2, 0)),) * durations,
        )


@dataclass(frozen=True, eq=False)
class Memory:
    """Of one run. stage and stage_started of the last look, top: the highest stage so far, looks and checks: in this
    stage; stride: every so many looks give a point; beyond: pairs of a gauge limit and a pod that was beyond it at the
    last look; growth (G, 6): slopes of canary and stable, p, pods of each, level at the last check; unlike (6 + F,):
    distance, p, least p, the canary's pods and all, level, then parts; both empty before a check.
    """

    followed: Followed
    growth: Floats
    unlike: Floats
    stage: int = -1
    stage_started: int = -1
    top: int = -1
    looks: int = 0
    checks: int = 0
    stride: int = 1
    troubles: tuple[Trouble, ...] = ()
    beyond: frozenset[tuple[int, int]] = frozenset()
    fallen: Fallen | None = None

    @classmethod
    def empty(cls, gauges: int = 0, counted: int = 0, durations: int = 0) -> "Memory":
        return cls(Followed.empty(gauges, counted, durations), np.zeros((0, 6)), np.zeros(0))

    def pack(self) -> bytes:
        """As bytes, which `unpack` turns into a value that judges alike (numbers of pods in single precision)."""
        kept, fallen = self.followed, [part.encode() for part in self.fallen_parts]
        points, gauges, pods = kept.logs.shape
        widths = [buckets.shape[1] for buckets in kept.buckets]
        header = _HEADER.pack(
            VERSION, self.stage, self.stage_started, self.top, self.looks, self.checks, self.stride,
            kept.own, pods, len(kept.sums), gauges, len(kept.totals), points, len(widths), len(self.growth),
            len(self.unlike), len(self.troubles), len(self.beyond), *map(len, fallen),
        )  # fmt: skip
        single = (kept.sums, kept.levels, kept.times, kept.rates, kept.logs, *kept.buckets, self.growth, self.unlike)
        return b"".join([
            header, struct.pack(f"<{len(widths)}H", *widths), *fallen,
            kept.totals.tobytes(),
            np.concatenate([array.ravel() for array in single]).astype("<f4").tobytes(),
            kept.pods.tobytes(),
            kept.seen.astype("<u2").tobytes(),
            np.array(list(self.troubles), dtype=_TROUBLE).tobytes() if self.troubles else b"",
            np.array(sorted(self.beyond), dtype=_BEYOND).tobytes() if self.beyond else b"",
        ])  # fmt: skip

    @property
    def fallen_parts(self) -> tuple[str, str, str]:
        return (self.fallen.reason, self.fallen.regressed, self.fallen.text) if self.fallen else ("", "", "")

    @classmethod
    def unpack(cls, packed: bytes) -> "Memory | None":
        """The value that was packed, None for another version's. Raises ValueError for bytes that are broken."""
        if not packed or packed[0] != VERSION:
            return None
        try:
            return cls._unpacked(packed)
        except (struct.error, ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"what is remembered beside the evidence cannot be read: {error}") from error

    @classmethod
    def _unpacked(cls, packed: bytes) -> "Memory":
        _, stage, started, top, looks, checks, stride, *lengths = _HEADER.unpack_from(packed)
        own, pods, features, gauges, counted, points, durations, growth, unlike, troubles, beyond = lengths[:11]
        widths = struct.unpack_from(f"<{durations}H", packed, _HEADER.size)
        reader = Reader(packed, _HEADER.size + 2 * durations)
        reason, blame, text = [reader.text(length) for length in lengths[11:14]]
        totals = reader.array("<f8", counted, 5)
        shapes = [
            (features, pods), (2, features), (points,), (points, counted), (points, gauges, pods),
            *[(2, width) for width in widths], (growth, 6), (unlike,),
        ]  # fmt: skip
        sums, levels, times, rates, logs, *others = reader.arrays("<f4", shapes)
        names, seen = reader.array("<u4", pods), reader.array("<u2", features, pods)
        found = reader.array(_TROUBLE, troubles).tolist(), reader.array(_BEYOND, beyond).tolist()
        return cls(
            followed=Followed(names, own, sums, seen, levels, times, rates, logs, totals, tuple(others[:durations])),
            growth=others[-2],
            unlike=others[-1],
            stage=stage,
            stage_started=started,
            top=top,
            looks=looks,
            checks=checks,
            stride=stride,
            troubles=tuple([Trouble(*row) for row in found[0]]),
            beyond=frozenset(found[1]),
            fallen=Fallen(reason, blame, text) if reason else None,  # type: ignore[arg-type] # written by us
        )
