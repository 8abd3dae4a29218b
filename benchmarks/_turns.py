"""What two builds take, in turns in one run: medians of the ratios of rounds, with their spread."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks._builds import Build, NotComparableError
from benchmarks._figures import Figures, Goals, met

Measure = Callable[[Build], Awaitable[Figures]]


@dataclass
class Turns:
    """What was measured of the base and of this build, round by round; what could not be compared, and why."""

    base: dict[str, list[float]] = field(default_factory=dict)
    this: dict[str, list[float]] = field(default_factory=dict)
    not_comparable: dict[str, str] = field(default_factory=dict)

    def ratios(self, name: str) -> list[float]:
        """This build's to the base's, of each round; none where the base's is 0."""
        return [this / base for base, this in zip(self.base[name], self.this[name], strict=True) if base]

    @property
    def names(self) -> list[str]:
        """Of what both builds have."""
        return [name for name in self.base if name in self.this]

    def figures(self) -> Figures:
        """The median ratio of each."""
        found = {name: self.ratios(name) for name in self.names}
        return {name: median(ratios) for name, ratios in found.items() if ratios}

    def lines(self, goals: Goals) -> list[str]:
        """A line for each figure, and one for what only one build has or none could do."""
        lines = []
        for name in self.names:
            ratios = self.ratios(name)
            word, goal = goals.get(name, ("", 0.0))
            shown = f"{median(self.base[name]):>12,.6g}{median(self.this[name]):>12,.6g}"
            if ratios:
                shown += f"{median(ratios):>8.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
            if ratios and word:
                shown += f"  {word} {goal:.3g}: {'met' if met(median(ratios), word, goal) else 'MISSED'}"
            lines.append(f"{name:<52}{shown}")
        for name in sorted(self.base.keys() ^ self.this.keys()):
            self.not_comparable.setdefault(name, "only one build has it")
        return lines + [f"{name:<52} not comparable: {why}" for name, why in self.not_comparable.items()]


async def in_turns(part: str, pair: Sequence[Build], rounds: int, measure: Measure) -> Turns:
    """Base and this, then this and base, and so on: what the machine does meanwhile falls on both alike."""
    turns = Turns()
    try:
        for number in range(rounds):
            for build in pair if number % 2 == 0 else reversed(pair):
                found = await measure(build)
                into = turns.base if build is pair[0] else turns.this
                for name, value in found.items():
                    into.setdefault(name, []).append(value)
    except NotComparableError as error:
        return Turns(not_comparable={part: str(error)})
    return turns
