"""What is remembered beside a judge's evidence between two looks of a run, and how it is packed.

Layout of the bytes: a header, the abort that was found if any, then each array as its shape and its values, little
endian. Bytes of another version are not read: what is remembered here is of this stage only, and can be learnt anew.
"""

import struct
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from serinus_contracts.events import Reason

from serinus_analyzer.domain.liveness import Trouble
from serinus_analyzer.domain.value import Floats

VERSION = 1
_HEADER = struct.Struct("<BiqiIhIBBHHH")
_ARRAYS = {"pods": "<u4", "sums": "<f4", "seen": "<u2", "levels": "<f4", "times": "<f4", "rates": "<f4", "logs": "<f4",
           "totals": "<f8"}  # fmt: skip
_TROUBLE = np.dtype([("pod", "<u4"), ("restarts", "<u2"), ("restarted", "<i8"), ("unready", "<i8")])
_BEYOND = np.dtype([("limit", "u1"), ("pod", "<u4")])


@dataclass(frozen=True)
class Fallen:
    """An abort beside the judge: it stays, with its words."""

    reason: Reason
    blame: str
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
        fallen = tuple(part.encode() for part in self.fallen_parts)
        header = _HEADER.pack(
            VERSION, self.stage, self.stage_started, self.top, self.looks, self.checks, self.stride,
            self.followed.own, len(self.followed.buckets), *map(len, fallen),
        )  # fmt: skip
        arrays: list[tuple[npt.NDArray[Any], Any]] = [
            (getattr(self.followed, name), dtype) for name, dtype in _ARRAYS.items()
        ]
        arrays += [(array, "<f4") for array in (*self.followed.buckets, self.growth, self.unlike)]
        arrays.append((np.array(list(self.troubles), dtype=_TROUBLE), _TROUBLE))
        arrays.append((np.array(sorted(self.beyond), dtype=_BEYOND), _BEYOND))
        return header + b"".join(fallen) + b"".join(_packed(*each) for each in arrays)

    @property
    def fallen_parts(self) -> tuple[str, str, str]:
        return (self.fallen.reason, self.fallen.blame, self.fallen.text) if self.fallen else ("", "", "")

    @classmethod
    def unpack(cls, packed: bytes) -> "Memory | None":
        """The value that was packed, None for another version's. Raises ValueError for bytes that are broken."""
        if not packed or packed[0] != VERSION:
            return None
        try:
            _, stage, started, top, looks, checks, stride, own, durations, *lengths = _HEADER.unpack_from(packed)
            reader = _Reader(packed, _HEADER.size)
            reason, blame, text = (reader.text(length) for length in lengths)
            arrays = {name: reader.array(dtype) for name, dtype in _ARRAYS.items()}
            buckets = tuple(reader.array("<f4") for _ in range(durations))
            growth, unlike = reader.array("<f4"), reader.array("<f4")
            troubles, beyond = reader.array(_TROUBLE), reader.array(_BEYOND)
        except (struct.error, ValueError) as error:
            raise ValueError(f"what is remembered beside the evidence cannot be read: {error}") from error
        return cls(
            followed=Followed(own=own, buckets=buckets, **arrays),
            growth=growth,
            unlike=unlike,
            stage=stage,
            stage_started=started,
            top=top,
            looks=looks,
            checks=checks,
            stride=stride,
            troubles=tuple(Trouble(*row) for row in troubles.tolist()),
            beyond=frozenset(map(tuple, beyond.tolist())),
            fallen=Fallen(reason, blame, text) if reason else None,  # type: ignore[arg-type] # written by us
        )


def _packed(array: npt.NDArray[Any], dtype: Any) -> bytes:
    return struct.pack(f"<B{array.ndim}H", array.ndim, *array.shape) + array.astype(dtype, copy=False).tobytes()


class _Reader:
    def __init__(self, packed: bytes, offset: int) -> None:
        self.packed, self.offset = packed, offset

    def text(self, length: int) -> str:
        self.offset += length
        return self.packed[self.offset - length : self.offset].decode()

    def array(self, dtype: Any) -> Any:
        """The next array, numbers in double precision."""
        (dimensions,) = struct.unpack_from("<B", self.packed, self.offset)
        shape = struct.unpack_from(f"<{dimensions}H", self.packed, self.offset + 1)
        self.offset += 1 + 2 * dimensions
        flat = np.frombuffer(self.packed, dtype, prod(shape), self.offset)
        self.offset += flat.nbytes
        found = flat.reshape(shape)
        return found.astype(np.float64) if found.dtype.kind == "f" else found
