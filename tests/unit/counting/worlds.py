"""A process that counts, restarts and is scraped, with the truth beside it: what counting is held against."""

from dataclasses import dataclass, field

from serinus_counting.series import Series


@dataclass
class Counter:
    """One counter of a process. It appears on the page with its first event, as many client libraries do it."""

    labels: dict[str, str]
    value: int = 0
    shown: int = 0
    samples: list[tuple[int, int]] = field(default_factory=list)
    totals: list[tuple[int, int]] = field(default_factory=list)
    total: int = 0

    def count(self, events: int) -> None:
        self.value += events

    def restart(self) -> None:
        """What was counted since the last scrape is lost to everybody."""
        self.value = self.shown = 0

    def scrape(self, time: int) -> None:
        self.total += self.value - self.shown
        self.shown = self.value
        if self.value:
            self.samples.append((time, self.value))
        self.totals.append((time, self.total))

    def series(self) -> Series:
        return Series(self.labels, [time for time, _ in self.samples], [float(value) for _, value in self.samples])

    def shown_until(self, time: int) -> int:
        """What all scrapes up to `time` have shown, over all restarts."""
        return next((total for at, total in reversed(self.totals) if at <= time), 0)
