"""Reading arrays out of bytes, as what is remembered between snapshots is kept."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from serinus_judging.arrays import Floats

Record = np.dtype[np.void]
Type = str | Record


class EvidenceError(ValueError):
    """Bytes that are no evidence of this version, or evidence of another plan."""


class Reader:
    """Reads arrays one behind the other. Raises ValueError where bytes end too early."""

    def __init__(self, packed: bytes, offset: int) -> None:
        self.packed, self.offset = packed, offset

    def text(self, length: int) -> str:
        """So many bytes as text."""
        self.offset += length
        return self.packed[self.offset - length : self.offset].decode()

    def record(self, dtype: Record) -> np.void:
        """The next record of several arrays."""
        found: np.void = np.frombuffer(self.packed, dtype, 1, self.offset)[0]
        self.offset += dtype.itemsize
        return found

    def array(self, dtype: Type, *shape: int) -> npt.NDArray[Any]:
        """The next array, in the type that it is kept in."""
        count = prod(shape)
        flat = np.frombuffer(self.packed, dtype, count, self.offset) if count else np.zeros(0, dtype)
        self.offset += flat.nbytes
        return flat.reshape(shape)

    def arrays(self, dtype: Type, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
        """Arrays of one type, in double precision: read by one call, since each is small."""
        whole, found, start = self.array(dtype, sum(map(prod, shapes))).astype(np.float64), [], 0
        for shape in shapes:
            end = start + prod(shape)
            found.append(whole[start:end].reshape(shape))
            start = end
        return found
