"""How often somebody may do something."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_KNOWN = 10_000


@dataclass
class Limiter:
    """A bucket each that holds `a_minute` and fills up evenly. `monotonic` gives seconds."""

    a_minute: int
    monotonic: Callable[[], float]
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, who: str, *, take: bool = True) -> int:
        """Take one, or only ask; 0, or the whole seconds after which there is one again."""
        now = self.monotonic()
        left, since = self._buckets.pop(who, (float(self.a_minute), now))
        left = min(float(self.a_minute), left + (now - since) * self.a_minute / 60)
        free = left >= 1
        taken = free and take
        self._buckets[who] = (left - taken, now)
        if len(self._buckets) > MAX_KNOWN:
            self._buckets.popitem(last=False)
        return 0 if free else math.ceil((1 - left) * 60 / self.a_minute)
