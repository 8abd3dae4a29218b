"""Processes that count, as a provider that answers for any moment, at steady rates."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from serinus_collecting.ports import Answer, ProviderError, Unread, Values
from serinus_contracts import Run, Selector
from serinus_counting.series import Series

SCRAPE_MS = 1000
RUN = Run(
    cluster="judge", namespace="judge", name="buy", uid="1", canary_hash='version="v2"', stable_hash='version="v1"',
    attempt=1,
)  # fmt: skip


@dataclass(frozen=True)
class Process:
    """One that serves `rate` requests a second, of which so many fail, since for ever."""

    labels: dict[str, str]
    rate: float = 100
    errors: float = 0.002
    name: str = "http_requests_total"
    status: tuple[str, str] = ("code", "500")
    scrape_ms: int = SCRAPE_MS

    def series(self, begin: int, end: int) -> list[Series]:
        """Scraped after `begin`, up to and with `end`."""
        times = range((begin // self.scrape_ms + 1) * self.scrape_ms, end + 1, self.scrape_ms)
        label, failed = self.status
        failed = failed.partition("|")[0].replace(".", "0")
        shares = {"200": 1 - self.errors, failed: self.errors}
        return [
            Series(
                {"__name__": self.name, **self.labels, label: code},
                list(times),
                [float(int(self.rate * share * at / 1000)) for at in times],
            )
            for code, share in shares.items()
        ]


@dataclass
class Processes:
    """A provider of some processes. `down`: from when to when it does not answer (ms)."""

    processes: Sequence[Process]
    down: tuple[int, int] = (0, 0)
    asked: list[str] = field(default_factory=list)

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        self.asked.append(str(selector))
        if self.down[0] <= end < self.down[1]:
            raise ProviderError("Prometheus is not reachable")
        every = [one for process in self.processes for one in process.series(end - reach_ms, end)]
        found = [one for one in every if all(matcher.matches(one.labels) for matcher in selector.all_matchers())]
        return Unread(200, b"", lambda *_: Answer([one for one in found if one.times]))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        self.asked.append(f"sum by ({','.join(by)}) {selector}")
        found = await self.samples(selector, end, step_ms)
        named = [
            Series({label: one.labels.get(label, "") for label in by}, [end], [1.0]) for one in found.read().series
        ]
        return Unread(200, b"", lambda *_: Answer(named))

    async def values(self, query: str, at: int) -> Unread[Values]:
        return Unread(200, b"", lambda *_: Values([1.0]))


def version(name: str, rate: float = 100, errors: float = 0.002, scrape_ms: int = SCRAPE_MS) -> Process:
    """A process of this version."""
    return Process({"version": name, "instance": f"{name}:80"}, rate, errors, scrape_ms=scrape_ms)
