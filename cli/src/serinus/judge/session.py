"""The loop of `serinus judge`: the collector's and the analyzer's own code on one run, embedded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.ports import Provider
from serinus_contracts import AnalysisPlan, RolloutObserved, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_counting.windows import ASSUMED_SCRAPE_MS, RunState
from serinus_judging.judged_run import JudgedRun
from serinus_runtime.clock import now_ms

# Times the interval between snapshots, while the provider fails.
MAX_BACKOFF = 4


@dataclass(frozen=True)
class Session:
    """Judges one stage from now on, until `seconds` of it were counted or could have been.

    `told_weight`: the canary's share of the traffic is what the plan says, so that another is a fault.
    """

    plan: AnalysisPlan
    run: Run
    provider: Provider
    seconds: float
    timeout: float
    scrape_ms: int | None = None
    told_weight: bool = False
    clock: Callable[[], Millis] = now_ms
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def verdicts(self, began: Millis) -> AsyncIterator[VerdictReached]:
        """The verdict on each snapshot, as soon as it was taken."""
        observed, judged, failures = self._observed(began), JudgedRun(self.plan), 0
        collected = CollectedRun(
            self.plan, RunState(observed, began, scrape_ms=self.scrape_ms), self.provider, self.timeout
        )
        while True:
            now = self.clock()
            # The weight is nobody's to change here.
            snapshot = await collected.collect(observed, now, now)
            if snapshot is not None:
                collected.forget()
                verdict = judged.judge(snapshot)
                yield verdict
                if verdict.end - began >= 1000 * self.seconds:
                    return
                failures = failures + 1 if verdict.reason == "provider_error" else 0
            scrape_ms = collected.scrape_ms or ASSUMED_SCRAPE_MS
            # The last snapshot ends a scrape before it is taken.
            last = began + round(1000 * self.seconds) + scrape_ms
            if now >= last:
                return
            pause = max(round(1000 * self.plan.interval), collected.scrape_ms or 0) * min(2**failures, MAX_BACKOFF)
            await self.sleep(max(0, min(now + pause, last) - self.clock()) / 1000)

    def _observed(self, began: Millis) -> RolloutObserved:
        (stage,) = self.plan.stages
        return RolloutObserved(
            run=self.run,
            resource_version="0",
            phase="Paused",
            step=stage.gates[-1],
            steps=stage.gates[-1] + 1,
            stage=0,
            set_weight=stage.weight,
            actual_weight=stage.weight,
            # Of all or nothing it is not asked how the requests are split.
            split=None if self.told_weight else 100,
            steady=True,
            stage_started=began,
            gate_started=began,
            plan=self.plan.digest,
        )
