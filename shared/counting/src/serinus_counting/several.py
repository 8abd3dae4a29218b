"""Several counters where one is expected: what they count cannot be told."""

from collections.abc import Container, Mapping
from dataclasses import replace

from serinus_contracts.base import Millis
from serinus_contracts.events import MetricStatus

from serinus_counting.resets import Process
from serinus_counting.series import Target
from serinus_counting.stretch import Stretch

_SEVERAL = (
    "several processes answer behind one address (have the client library add them up, as by a multiprocess mode, or "
    "give each an address of its own), or what counts there restarts again and again"
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
    """Why what was counted up to `end` cannot be what happened, None if it can. `fell`: as `advance.falls` tells."""
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


def without_gone(found: Mapping[Target, Process], begin: Stretch, pods: Container[str]) -> tuple[Stretch, str]:
    """Where counting goes on if of a pod that is gone, whose counters fell twice since it was counted, nothing more is
    counted: how often it was restarted is not known any more. Which these are, in words."""
    spans, others, gone = dict(begin.of_target), dict(begin.of_series), set[str]()
    for target, process in found.items():
        if process.pod in pods or not process.shared or len(process.restarts) < 2:
            continue
        if sum(time > spans[target].begin for time in process.restarts) >= 2:
            gone.add(process.pod)
            spans[target] = replace(spans[target], begin=max(one.times[-1] for one in process.series), new=False)
            for one in process.series:
                others.pop(id(one), None)
    told = f"pods that are gone, whose counters fell again and again, left out: {len(gone)}" if gone else ""
    return Stretch(spans, others), told
