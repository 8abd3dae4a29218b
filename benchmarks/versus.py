"""This build against another commit's, in turns in one run: `python -m benchmarks.versus [--base REV] [--quick]`.

The base is checked out into a temporary folder and installed there from its own lock. Both are driven by what is
public: processes and their settings, streams, pages. A line for each figure: the base's, this build's, the median of
the ratios of the rounds, and from which to which they went. As last line the ratios as JSON.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from benchmarks._build_analyzer import bench
from benchmarks._build_collector import collector, provider
from benchmarks._build_footprint import footprint
from benchmarks._builds import Build, builds
from benchmarks._figures import Figures, Goals, close, missed
from benchmarks._turns import Measure, in_turns

GOALS: Goals = {
    "alone: analyzer, us of CPU a snapshot": ("at most", 0.6),
    "1000 runs: analyzer, us of CPU a snapshot": ("at most", 0.25),
    "1000 runs: Redis, us of CPU a verdict": ("at most", 0.5),
    "1000 runs: Redis, bytes a verdict": ("at most", 0.45),
    "1000 runs live: snapshot to verdict, p99, ms": ("at most", 0.6),
    "collector, ms of CPU": ("at most", 0.4),
    "provider, ms of CPU (with its scrapes)": ("at most", 0.5),
    "provider, requests": ("at most", 1 / 6),
    "all services and Redis, PSS, MB": ("at most", 0.45),
    "start, s of CPU": ("at most", 0.4),
    "serinus status, s of CPU": ("at most", 0.6),
}
"""Of this build's to that of 732498a, per snapshot."""
PARTS = ("analyzer", "collector", "footprint")
"""What can be compared, in the order in which it is."""


def _named(prefix: str, figures: Figures) -> Figures:
    return {f"{prefix}: {name}": value for name, value in figures.items()}


class Analyzers:
    """One run alone, 100 and 1,000 on a backlog, and 1,000 live; and whether both builds come to the same verdicts."""

    def __init__(self, quick: bool) -> None:
        self._quick = quick
        self._verdicts: dict[str, dict[str, str]] = {}

    async def __call__(self, build: Build) -> Figures:
        """As `Measure`."""
        found = Figures()
        async with bench(build, 1) as one:
            found |= _named("alone", await one.alone(100 if self._quick else 500))
        async with bench(build, 100) as hundred:
            found |= _named("100 runs", await hundred.backlog(10 if self._quick else 40))
        async with bench(build, 1000) as thousand:
            found |= _named("1000 runs", await thousand.backlog(2 if self._quick else 10))
            found |= _named("1000 runs live", await thousand.live(3 if self._quick else 15))
            self._verdicts[build.name] = await thousand.verdicts()
        return found

    def differing(self) -> str:
        """How many verdicts are not the same, in words."""
        (_, base), (_, this) = self._verdicts.items()
        both = base.keys() & this.keys()
        return f"{sum(base[one] != this[one] for one in both)} of {len(both):,} verdicts of the last round differ"


async def compare(pair: Sequence[Build], parts: Sequence[str], rounds: int, quick: bool) -> Figures:
    """Part by part; each is printed when it is done."""
    ratios, analyzers = Figures(), Analyzers(quick)
    with ExitStack() as servers:
        for part in parts:
            measure: Measure = analyzers
            if part == "collector":
                url = servers.enter_context(provider(Path(mkdtemp(prefix="serinus-versus-"))))
                measure = partial(collector, url=url, runs=30 if quick else 200, seconds=10 if quick else 30)
            elif part == "footprint":
                measure = partial(footprint, repeats=3 if quick else 7)
            turns = await in_turns(part, pair, rounds, measure)
            print(f"{f'{part}, {pair[0].name} and this':<52}{'base':>12}{'this':>12}{'ratio':>8}")
            print("\n".join(turns.lines(GOALS)))
            if part == "analyzer" and turns.names:
                print(analyzers.differing())
            sys.stdout.flush()
            ratios |= turns.figures()
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.versus")
    parser.add_argument("--base", default="HEAD", help="commit to compare with; the last one, if none is named")
    parser.add_argument("--quick", action="store_true", help="on fewer snapshots, in one round less than two minutes")
    parser.add_argument("--rounds", type=int, help="how often each build takes its turn (5, quick: 1)")
    parser.add_argument("--part", choices=PARTS, action="append", help="this part alone; may be given again")
    asked = parser.parse_args()
    with builds(asked.base) as pair:
        rounds = asked.rounds or (1 if asked.quick else 5)
        ratios = asyncio.run(compare(pair, asked.part or PARTS, rounds, asked.quick))
    close("versus", ratios, missed(ratios, GOALS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
