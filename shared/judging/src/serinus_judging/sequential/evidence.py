"""What is remembered between two snapshots of a run, and how it is packed.

Layout of the bytes: a header, then two records of arrays, then texts and segments; little endian, no compression (it
would cost more time than the space is worth). The first byte is the version; a reader refuses what it does not know.
"""

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan, nan

import numpy as np

from serinus_judging.arrays import Floats
from serinus_judging.guardrails import sample_ratio
from serinus_judging.guardrails.sample_ratio import SampleRatio
from serinus_judging.packing import EvidenceError, Reader, Record
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


@lru_cache(maxsize=1024)
def _fixed(latencies: int, channels: int, abort: int, proceed: int) -> Record:
    """The arrays whose shape follows from the plan."""
    return np.dtype([
        ("past", "<f8", (2, channels)), ("unspent_prior", "<f8", (abort,)), ("run", "<f8", (4, channels)),
        ("stage", "<f8", (4, channels)), ("to_abort", "<f8", (PLAIN, abort)),
        ("to_proceed", "<f8", (PROCEED_ROWS, proceed)), ("sample_ratio", "<f8", (sample_ratio.SIZE,)),
        ("pairs", "<f8", (latencies, SLOTS, len(_NO_PAIR))), ("visited", "<i2", (2, channels)),
        ("in_stage", "<i4", (channels,)), ("shown", "<f4", (interval.ROWS, abort + proceed)),
        ("measured", "?", (channels,)),
    ])  # fmt: skip


@lru_cache(maxsize=1024)
def _varied(metrics: int, counted: int, units: int, channels: int, measured: int, stages: int) -> Record:
    """Those behind them, whose shape varies with the pods followed, and with the channels whose noise was measured: the
    others have what is assumed, and what adjacent snapshots show. left_out: lengths of the texts that follow."""
    return np.dtype([
        ("phi", "<f4", (measured,)), ("kappa", "<f2", (max(stages, 1), measured)),
        ("lasting", "<f2", (max(stages, 1), measured)), ("pods", "<f4", (2, units, counted)),
        ("dispersion", "<f4", (4, counted)), ("adjacent", "<f4", (4, channels - measured)),
        ("followed", "<u4", (units,)), ("good", _GOOD, (metrics,)), ("left_out", "<u2", (metrics,)),
    ])  # fmt: skip


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
        fixed = np.zeros((), _fixed(len(self.pairs), channels, abort, proceed))
        fixed["past"], fixed["run"], fixed["stage"] = s.past, s.run, s.stage
        fixed["unspent_prior"] = s.unspent_prior[:abort]
        fixed["to_abort"], fixed["to_proceed"] = s.rows[:PLAIN, :abort], s.rows[:PROCEED_ROWS, abort:]
        fixed["shown"], fixed["measured"] = s.rows[PLAIN:], known
        fixed["sample_ratio"], fixed["pairs"] = p.sample_ratio.packed, _pairs_array(self.pairs)
        fixed["visited"], fixed["in_stage"] = s.clock[:2], s.clock[2]
        varied = np.zeros((), _varied(metrics, counted, units, channels, int(known.sum()), stages))
        if known.any():
            varied["phi"], varied["kappa"], varied["lasting"] = (
                noise.phi[known], noise.kappa[:, known], noise.lasting[:, known]
            )  # fmt: skip
        varied["pods"], varied["dispersion"] = s.pods[:, :units], s.dispersion
        varied["adjacent"] = s.adjacent[:, ~known]
        varied["followed"], varied["good"] = self.followed, list(p.good)
        texts = [text.encode() for text in self.left_out]
        varied["left_out"] = [len(text) for text in texts]
        segments = [_packed(each) for each in self.segments]
        return b"".join([header, fixed.tobytes(), varied.tobytes(), *texts, *segments])

    @classmethod
    def unpack(cls, packed: bytes) -> "Evidence":
        """The value that was packed. Raises EvidenceError for anything else."""
        if len(packed) < _HEADER.size or packed[0] != VERSION:
            raise EvidenceError(f"no evidence of version {VERSION}: {packed[:1].hex() or 'empty'}")
        _, latencies, metrics, counted, units, channels, abort, proceed, stages, *numbers = _HEADER.unpack_from(packed)
        rows, pods, adjacent = (
            np.zeros((PLAIN + interval.ROWS, abort + proceed)), np.zeros((2, UNITS, counted)), np.zeros((4, channels))
        )  # fmt: skip
        reader = Reader(packed, _HEADER.size)
        try:
            fixed = reader.record(_fixed(latencies, channels, abort, proceed))
            measured = fixed["measured"]
            some = int(measured.sum())
            varied = reader.record(_varied(metrics, counted, units, channels, some, stages))
            left_out = tuple([reader.text(length) for length in varied["left_out"].tolist()])
            segments = []
            while reader.offset < len(packed):
                segments.append(_segments(reader))
        except ValueError as error:
            raise EvidenceError("evidence is cut off") from error
        rows[:PLAIN, :abort], rows[:PROCEED_ROWS, abort:] = fixed["to_abort"], fixed["to_proceed"]
        rows[PLAIN:] = fixed["shown"]
        pods[:, :units], adjacent[:, ~measured] = varied["pods"], varied["adjacent"]
        noise = Noise.assumed(stages, channels)
        if some:
            noise = replace(noise, measured=np.array(measured))
            noise.phi[measured] = varied["phi"]
            noise.kappa[:, measured], noise.lasting[:, measured] = varied["kappa"], varied["lasting"]
        snapshots, number, started, exposed, log_eprocess, missing = numbers
        return cls(
            shape=(metrics, channels, abort, proceed, stages),
            state=State(
                past=np.array(fixed["past"]),
                clock=np.concatenate((fixed["visited"], fixed["in_stage"][None]), dtype=np.int64),
                rows=rows,
                unspent_prior=np.concatenate((fixed["unspent_prior"], np.zeros(proceed))),
                run=np.array(fixed["run"]),
                stage=np.array(fixed["stage"]),
                pods=pods,
                dispersion=varied["dispersion"].astype(np.float64),
                adjacent=adjacent,
            ),
            noise=noise,
            pairs=tuple(_pairs(block) for block in fixed["pairs"].tolist()),
            left_out=left_out,
            followed=tuple(varied["followed"].tolist()),
            progress=RunProgress(
                evaluations=snapshots,
                stage=number,
                stage_started=started,
                evaluated_requests=exposed,
                missing=missing,
                sample_ratio=sample_ratio.SampleRatio.unpacked(fixed["sample_ratio"].tolist()),
                good=tuple([LastGood(*each) for each in varied["good"].tolist()]),
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


def _pairs_array(pairs: tuple[Pairs, ...]) -> Floats:
    table = []
    for known in pairs:
        rows = [
            tuple(nan if number is None else number for number in (pair.quantile, pair.edge, pair.below, pair.above,
                  pair.abort, pair.proceed, pair.seen, pair.shown))
            for pair in known or ()
        ]  # fmt: skip
        table += rows + [_NO_PAIR] * (SLOTS - len(rows))
    return np.array(table, dtype=np.float64).reshape(len(pairs), SLOTS, len(_NO_PAIR))


def _pairs(block: list[list[float]]) -> Pairs:
    known = [
        Pair(quantile, edge, below, above, abort, None if isnan(proceed) else proceed, *reach)
        for quantile, edge, below, above, abort, proceed, *reach in block
        if not isnan(edge)
    ]
    return tuple(known) or None
