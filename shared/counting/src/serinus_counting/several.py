"""Several counters where one is expected: what they count cannot be told."""

from collections.abc import Mapping

from serinus_contracts.base import Millis
from serinus_contracts.events import MetricStatus

from serinus_counting.progress import Stretch
from serinus_counting.resets import Process
from serinus_counting.series import Target

_SEVERAL = (
    "several processes answer behind one address (have the client library add them up, as by a multiprocess mode, or "
    "give each an address of its own), or what counts there is started anew again and again"
)
# After a fall that no restart explains, so many scrapes tell whether another one follows.
TELLING_SCRAPES = 4

Wrong = tuple[MetricStatus, str]


def several(
    found: Mapping[Target, Process],
    begin: Stretch,
    fell: Mapping[Target, tuple[int, int]],
    restarted: Mapping[str, int],
    end: Millis,
    scrape_ms: int,
) -> Wrong | None:
    """Why what was counted up to `end` cannot be what happened, None if it can. `fell`: as `progress.falls` tells."""
    held: Wrong | None = None
    for target, (times, before) in fell.items():
        process = found[target]
        pod = process.pod
        unexplained = times - max(0, restarted.get(pod, 0) - before)
        if unexplained > 1:
            fallen = f"counters of pod {pod} fell at {unexplained} scrapes without a restart of it"
            return "error", f"{fallen}: {_SEVERAL}"
        last = max(process.restarts, default=0)
        if unexplained == 1 and last > begin.of_target[target].begin:
            later = sum(time > last for time in process.scrapes)
            if later < TELLING_SCRAPES and process.scrapes[-1] > end - TELLING_SCRAPES * scrape_ms:
                held = "partial", f"counters of pod {pod} fell without a restart of it: the next scrapes tell why"
    return held
