"""What was worked out is kept for those who ask the same again, as much as there is room for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


# Of a key, and of what holds an entry, whatever is kept there.
ENTRY_BYTES = 1024


class Kept(Generic[T]):
    """Results by key, those that were wanted last, of at most `most_bytes` together: of each what `bytes_of` says, and
    ENTRY_BYTES. Keys are of digests and names, a few hundred bytes at most."""

    def __init__(self, most_bytes: int, bytes_of: Callable[[T], int]) -> None:
        self._most_bytes, self._taken, self._bytes_of = most_bytes, 0, bytes_of
        self._found: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under the key, else what is made now."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key][0]
        made = make()
        size = ENTRY_BYTES + self._bytes_of(made)
        self._found[key] = made, size
        self._taken += size
        while self._taken > self._most_bytes:
            self._taken -= self._found.popitem(last=False)[1][1]
        return made
