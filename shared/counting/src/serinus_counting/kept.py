"""What was worked out is kept for those who ask the same again, as much as there is room for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Results by key, those that were wanted last, of at most `room` together by the size that is told of each."""

    def __init__(self, room: int) -> None:
        self._room, self._taken = room, 0
        self._found: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def of(self, key: Hashable, size: int, make: Callable[[], T]) -> T:
        """What is kept under the key, else what is made now."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key][0]
        made = make()
        self._found[key] = made, size
        self._taken += size
        while self._taken > self._room:
            self._taken -= self._found.popitem(last=False)[1][1]
        return made
