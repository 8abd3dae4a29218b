"""What the guardrails remember between two snapshots of a run, and how it is packed.

Layout of the bytes: a header with all lengths, the widths of the histograms, the abort that was found if any, then the
arrays by their type, little endian. Bytes of another version are not read: what is remembered here is of this stage
only, and can be learnt again.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from serinus_contracts.events import MetricsCollected, Reason
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.arrays import Floats
from serinus_judging.guardrails.watched import Watched, watched_by
from serinus_judging.packing import Reader

VERSION = 2
_HEADER = struct.Struct("<BiqiIhI14H")
_TROUBLE = np.dtype([("pod", "<u4"), ("restarts", "<u2"), ("restarted", "<i8"), ("unready", "<i8")])
_OVER_LIMIT = np.dtype([("limit", "u1"), ("pod", "<u4")])


@lru_cache(maxsize=65_536)
def identity(name: str) -> int:
    """A pod's name in four bytes."""
    return crc32(name.encode())


class Trouble(NamedTuple):
    """A canary pod that restarted or is not ready. pod: its `identity`; restarted: end of the snapshot that saw the
    last restart, 0: none; unready: end of the first snapshot in a row that saw it not ready, 0: it is ready."""

    pod: int
    restarts: int
    restarted: int
    unready: int


class LatchedAbort(NamedTuple):
    """An abort by a guardrail: it stays, with its words; regressed: the metric or limit."""

    reason: Reason
    regressed: str
    text: str


class GaugeGrowth(NamedTuple):
    """How a gauge grew at the last check: slopes per hour (in ln) of both arms, p of "the canary's is at most GROWTH
    larger", pods that tell, and the p from which on it is found. NaN where too little is known."""

    canary: float
    stable: float
    p: float
    canary_pods: float
    stable_pods: float
    level: float

    @property
    def exceeds(self) -> bool:
        """Whether it is found."""
        return self.p <= self.level


class PodAnomaly(NamedTuple):
    """`pod_anomaly.PodDistance` at the last check, and the p from which on it is one."""

    distance: float
    p: float
    min_p: float
    canary_pods: float
    pods: float
    level: float
    parts: tuple[float, ...]

    @property
    def exceeds(self) -> bool:
        """Whether it is found."""
        return self.p <= self.level


@dataclass(frozen=True, eq=False)
class StageSamples:
    """What is gathered of a stage, of P pods (the canary's `own` first), F features, G gauges and M counted metrics.

    pods (P,): identities; sums (F, P): of the features' distances from the pods' median, over `seen` (F, P) snapshots;
    levels (2, F): sums of these medians, and over how many snapshots; times (T,): seconds from the stage's start of the
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
    def empty(cls, watched: Watched) -> "StageSamples":
        """Nothing gathered yet of the metrics that are watched."""
        features, gauges, counted = len(watched.features), len(watched.gauges), len(watched.counted)
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
            buckets=(np.zeros((2, 0)),) * len(watched.durations),
        )


@dataclass(frozen=True, eq=False)
class GuardrailMemory:
    """Of one run.

    samples: of this stage; growth: per gauge, empty before a check; anomaly: None before a check, or where pods cannot
    be compared; stage, stage_started: of the last snapshot; top: the highest stage so far; snapshots, checks: in this
    stage (checks -1: no more of them); stride: every so many snapshots give a point; over_limit: pairs of a gauge limit
    and a pod that was beyond it in the last snapshot.
    """

    samples: StageSamples
    growth: tuple[GaugeGrowth, ...] = ()
    anomaly: PodAnomaly | None = None
    stage: int = -1
    stage_started: int = -1
    top: int = -1
    snapshots: int = 0
    checks: int = 0
    stride: int = 1
    troubles: tuple[Trouble, ...] = ()
    over_limit: frozenset[tuple[int, int]] = frozenset()
    latched: LatchedAbort | None = None

    @classmethod
    def start(cls, plan: AnalysisPlan) -> "GuardrailMemory":
        """Before the first snapshot of a run."""
        return cls(StageSamples.empty(watched_by(plan)))

    def entering(self, watched: Watched, snapshot: MetricsCollected) -> "GuardrailMemory":
        """In the stage of the snapshot: a new one starts again; one that was left and entered again gets no more
        checks."""
        if (snapshot.stage, snapshot.stage_started) == (self.stage, self.stage_started):
            return self
        return GuardrailMemory(
            StageSamples.empty(watched),
            stage=snapshot.stage,
            stage_started=snapshot.stage_started,
            top=max(self.top, snapshot.stage),
            checks=0 if snapshot.stage > self.top else -1,
            troubles=self.troubles,
            over_limit=self.over_limit,
            latched=self.latched,
        )

    def pack(self) -> bytes:
        """As bytes, which `unpack` turns into a value that judges alike (numbers of pods in single precision)."""
        kept, latched = self.samples, [part.encode() for part in self.latched or ("", "", "")]
        growth = np.array(self.growth).reshape(-1, 6)
        anomaly = np.array([*self.anomaly[:-1], *self.anomaly.parts] if self.anomaly else [])
        points, gauges, pods = kept.logs.shape
        widths = [buckets.shape[1] for buckets in kept.buckets]
        header = _HEADER.pack(
            VERSION, self.stage, self.stage_started, self.top, self.snapshots, self.checks, self.stride,
            kept.own, pods, len(kept.sums), gauges, len(kept.totals), points, len(widths), len(growth),
            len(anomaly), len(self.troubles), len(self.over_limit), *map(len, latched),
        )  # fmt: skip
        single = (kept.sums, kept.levels, kept.times, kept.rates, kept.logs, *kept.buckets, growth, anomaly)
        return b"".join([
            header, struct.pack(f"<{len(widths)}H", *widths), *latched,
            kept.totals.tobytes(),
            np.concatenate([array.ravel() for array in single]).astype("<f4").tobytes(),
            kept.pods.tobytes(),
            kept.seen.astype("<u2").tobytes(),
            np.array(list(self.troubles), dtype=_TROUBLE).tobytes() if self.troubles else b"",
            np.array(sorted(self.over_limit), dtype=_OVER_LIMIT).tobytes() if self.over_limit else b"",
        ])  # fmt: skip

    @classmethod
    def unpack(cls, packed: bytes) -> "GuardrailMemory | None":
        """The value that was packed, None for another version's. Raises ValueError for bytes that are broken."""
        if not packed or packed[0] != VERSION:
            return None
        try:
            return cls._unpacked(packed)
        except (struct.error, ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"what the guardrails remember cannot be read: {error}") from error

    @classmethod
    def _unpacked(cls, packed: bytes) -> "GuardrailMemory":
        _, stage, started, top, snapshots, checks, stride, *lengths = _HEADER.unpack_from(packed)
        own, pods, features, gauges, counted, points, durations, growth, anomaly, troubles, over = lengths[:11]
        widths = struct.unpack_from(f"<{durations}H", packed, _HEADER.size)
        reader = Reader(packed, _HEADER.size + 2 * durations)
        reason, regressed, text = [reader.text(length) for length in lengths[11:14]]
        totals = reader.array("<f8", counted, 5)
        shapes = [
            (features, pods), (2, features), (points,), (points, counted), (points, gauges, pods),
            *[(2, width) for width in widths], (growth, 6), (anomaly,),
        ]  # fmt: skip
        sums, levels, times, rates, logs, *others = reader.arrays("<f4", shapes)
        names, seen = reader.array("<u4", pods), reader.array("<u2", features, pods)
        found = reader.array(_TROUBLE, troubles).tolist(), reader.array(_OVER_LIMIT, over).tolist()
        return cls(
            samples=StageSamples(names, own, sums, seen, levels, times, rates, logs, totals, tuple(others[:durations])),
            growth=tuple([GaugeGrowth(*row) for row in others[-2].tolist()]),
            anomaly=_anomaly(others[-1].tolist()),
            stage=stage,
            stage_started=started,
            top=top,
            snapshots=snapshots,
            checks=checks,
            stride=stride,
            troubles=tuple([Trouble(*row) for row in found[0]]),
            over_limit=frozenset(found[1]),
            latched=LatchedAbort(reason, regressed, text) if reason else None,  # type: ignore[arg-type] # written by us
        )


def _anomaly(numbers: list[float]) -> PodAnomaly | None:
    if not numbers:
        return None
    distance, p, min_p, canary_pods, pods, level, *parts = numbers
    return PodAnomaly(distance, p, min_p, canary_pods, pods, level, tuple(parts))
