"""What is remembered between two snapshots of a run, and how it is packed.

Layout of the bytes: a header, then the arrays in the order of `pack`, little endian, no compression (it would
cost more time than the space is worth). The first byte is the version; a reader refuses what it does not know.
"""

import struct
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from serinus_judging.arrays import Floats
from serinus_judging.guardrails import sample_ratio
from serinus_judging.guardrails.sample_ratio import SampleRatio
from serinus_judging.packing import EvidenceError, Reader
from serinus_judging.run_progress import LastGood, RunProgress
from serinus_judging.sequential import interval
from serinus_judging.sequential.channels import PLAIN
from serinus_judging.sequential.eprocess import PROCEED_ROWS
from serinus_judging.sequential.latency import Pair, Pairs
from serinus_judging.sequential.layout import SLOTS
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.run_noise import UNITS
from serinus_judging.sequential.segments import NAMED, PLACES, Segments
from serinus_judging.sequential.state import State

VERSION = 5
_HEADER = struct.Struct("<BBHHHHHHHIiqQdI")
_GOOD = np.dtype([("end", "<i8"), ("series", "<i4")])
_NO_PAIR = (nan,) * 8
NO_NAME = 0xFFFF
"""In place of a name's length: a segment may have an empty name."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The sequential judge's memory of one run.

    shape: of the plan it belongs to; pairs: per latency metric the edges tested, None until stable's requests are
    known; left_out: per metric what its noise was measured without, in words; followed: identities of stable's pods by
    unit; log_eprocess: combined ln M; segments: of each metric that has a segment.
    """

    shape: tuple[int, ...]
    state: State
    noise: Noise
    pairs: tuple[Pairs, ...]
    left_out: tuple[str, ...]
    followed: tuple[int, ...]
    progress: RunProgress
    log_eprocess: float = 0.0
    segments: tuple[Segments, ...] = ()

    def pack(self) -> bytes:
        """As bytes, which `unpack` turns into an equal value."""
        metrics, channels, abort, proceed, stages = self.shape
        s, noise, p = self.state, self.noise, self.progress
        numbers = (p.evaluations, p.stage, p.stage_started, p.evaluated_requests, self.log_eprocess, p.missing)
        counted, units, known = s.dispersion.shape[1], len(self.followed), noise.measured
        shape = (len(self.pairs), metrics, counted, units, channels, abort, proceed, stages)
        header = _HEADER.pack(VERSION, *shape, *numbers)
        parts = (
            s.past, s.unspent_prior[:abort], s.run, s.stage, s.rows[:PLAIN, :abort], s.rows[:PROCEED_ROWS, abort:],
            np.array(p.sample_ratio.packed), _pairs_array(self.pairs),
            s.clock[:2].astype("<i2"), s.clock[2].astype("<i4"), s.rows[PLAIN:].astype("<f4"), known, *_known(noise),
            s.pods[:, :units].astype("<f4"), s.dispersion.astype("<f4"), s.adjacent[:, ~known].astype("<f4"),
            np.array(self.followed, dtype="<u4"), np.array(list(p.good), dtype=_GOOD),
        )  # fmt: skip
        texts = [text.encode() for text in self.left_out]
        lengths = np.array([len(text) for text in texts], dtype="<u2")
        segments = [_packed(each) for each in self.segments]
        return header + b"".join([*[part.tobytes() for part in parts], lengths.tobytes(), *texts, *segments])

    @classmethod
    def unpack(cls, packed: bytes) -> "Evidence":
        """The value that was packed. Raises EvidenceError for anything else."""
        if len(packed) < _HEADER.size or packed[0] != VERSION:
            raise EvidenceError(f"no evidence of version {VERSION}: {packed[:1].hex() or 'empty'}")
        _, latencies, metrics, counted, units, channels, abort, proceed, stages, *numbers = _HEADER.unpack_from(packed)
        tests, rows = abort + proceed, np.zeros((PLAIN + interval.ROWS, abort + proceed))
        reader = Reader(packed, _HEADER.size)
        try:
            past, unspent, run, stage, to_abort, to_proceed, share, pairs = reader.arrays("<f8", [
                (2, channels), (abort,), (4, channels), (4, channels), (PLAIN, abort), (PROCEED_ROWS, proceed),
                (sample_ratio.SIZE,), (latencies, SLOTS, len(_NO_PAIR)),
            ])  # fmt: skip
            visited, in_stage = reader.array("<i2", 2, channels), reader.array("<i4", 1, channels)
            clock = np.concatenate((visited, in_stage)).astype(np.int64)
            (shown,) = reader.arrays("<f4", [(interval.ROWS, tests)])
            noise = _noise(reader, stages, channels)
            pods, adjacent = np.zeros((2, UNITS, counted)), np.zeros((4, channels))
            pods[:, :units], dispersion, adjacent[:, ~noise.measured] = reader.arrays("<f4", [
                (2, units, counted), (4, counted), (4, int((~noise.measured).sum())),
            ])  # fmt: skip
            followed, good = reader.array("<u4", units).tolist(), reader.array(_GOOD, metrics)
            left_out = tuple([reader.text(length) for length in reader.array("<u2", metrics).tolist()])
            segments = []
            while reader.offset < len(packed):
                segments.append(_segments(reader))
        except ValueError as error:
            raise EvidenceError("evidence is cut off") from error
        rows[:PLAIN, :abort], rows[:PROCEED_ROWS, abort:], rows[PLAIN:] = to_abort, to_proceed, shown
        snapshots, number, started, exposed, log_eprocess, missing = numbers
        return cls(
            shape=(metrics, channels, abort, proceed, stages),
            state=State(
                past, clock, rows, np.concatenate((unspent, np.zeros(proceed))), run, stage, pods, dispersion, adjacent
            ),
            noise=noise,
            pairs=tuple(_pairs(block) for block in pairs.tolist()),
            left_out=left_out,
            followed=tuple(followed),
            progress=RunProgress(
                evaluations=snapshots,
                stage=number,
                stage_started=started,
                evaluated_requests=exposed,
                missing=missing,
                sample_ratio=sample_ratio.SampleRatio.unpacked(share.tolist()),
                good=tuple([LastGood(*each) for each in good.tolist()]),
            ),
            log_eprocess=log_eprocess,
            segments=tuple(segments),
        )


def _packed(segments: Segments) -> bytes:
    """Their mix, and the names behind their lengths."""
    texts = [name.encode() for name in segments.names]
    lengths = [len(text) for text in texts] + [NO_NAME] * (NAMED - len(texts))
    mix = np.array([each.packed for each in segments.mix])
    return b"".join([mix.tobytes(), np.array(lengths, dtype="<u2").tobytes(), *texts])


def _segments(reader: Reader) -> Segments:
    mix = reader.array("<f8", PLACES, sample_ratio.SIZE).tolist()
    lengths = [length for length in reader.array("<u2", NAMED).tolist() if length != NO_NAME]
    names = tuple([reader.text(length) for length in lengths])
    return Segments(names, tuple([SampleRatio.unpacked(numbers) for numbers in mix]))


def _known(noise: Noise) -> tuple[npt.NDArray[Any], ...]:
    """phi, kappa and lasting of the channels that were measured: the others have what is assumed."""
    known = noise.measured
    return (
        noise.phi[known].astype("<f4"), noise.kappa[:, known].astype("<f2"), noise.lasting[:, known].astype("<f2")
    )  # fmt: skip


def _noise(reader: Reader, stages: int, channels: int) -> Noise:
    """What `_known` and, before it, `measured` tell."""
    noise, measured = Noise.assumed(stages, channels), reader.array("|b1", channels)
    if not measured.any():
        return noise
    some = int(measured.sum())
    (noise.phi[measured],) = reader.arrays("<f4", [(some,)])
    noise.kappa[:, measured], noise.lasting[:, measured] = reader.arrays("<f2", [(max(stages, 1), some)] * 2)
    return replace(noise, measured=measured)


def _pairs_array(pairs: tuple[Pairs, ...]) -> Floats:
    table = []
    for known in pairs:
        rows = [
            tuple(nan if number is None else number for number in (pair.quantile, pair.edge, pair.below, pair.above,
                  pair.abort, pair.proceed, pair.seen, pair.shown))
            for pair in known or ()
        ]  # fmt: skip
        table += rows + [_NO_PAIR] * (SLOTS - len(rows))
    return np.array(table, dtype=np.float64)


def _pairs(block: list[list[float]]) -> Pairs:
    known = [
        Pair(quantile, edge, below, above, abort, None if isnan(proceed) else proceed, *reach)
        for quantile, edge, below, above, abort, proceed, *reach in block
        if not isnan(edge)
    ]
    return tuple(known) or None
