"""Whole runs of the judge against those of others, seeded: false aborts, evaluations and requests to detection, cost.

    python -m benchmarks.judge [--quick] [--runs N] [--plot docs/evidence.svg] [--table table.md]

Prints tables as it goes and closes with one line of JSON: {"benchmark": "judge", "figures": {...}, "missed": [...]}.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks import _cost
from benchmarks._demo import demo
from benchmarks._figures import close
from benchmarks._lines import SERINUS, Line, lines_of
from benchmarks._peers import PEERS
from benchmarks._rows import ASSUMED, DEFAULT, FIGURES, IN_RUN, LONG, MARGINS, NOISY, Row
from benchmarks._sequential_peers import SEQUENTIAL
from benchmarks._serinus import ALPHA, BETA
from benchmarks._worlds import World

ON_TRUTH = ("O'B.-F. at ours", "O'B.-F. at 1 %", *SEQUENTIAL)
"""Peers that know the truth about the world's healthy canaries: being slower than they are breaks no promise."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.judge", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs, under a minute on one core")
    parser.add_argument("--runs", type=int, help="runs per world, by default 5,000 (300 with --quick)")
    parser.add_argument("--plot", type=Path, help="write evidence over time as an SVG")
    parser.add_argument("--table", type=Path, help="write evaluations to detection and false aborts as Markdown")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = options.runs or (300 if options.quick else 5000)
    figures: dict[str, float] = {}
    missed: list[str] = []
    beaten: list[str] = []
    tables = [_Table([SERINUS, *judges]) for judges in (PEERS, SEQUENTIAL)]
    started = perf_counter()
    for title, rows, peers in (
        ("Known noise, margin 1 (a canary may not be worse at all)", FIGURES, True),
        ("A canary exactly at its margin: neither to be aborted nor to be promoted", MARGINS, False),
        ("Noise measured on a day of history, margin 1", NOISY, True),
        ("Noise assumed, margin 1.25 and 0.0002", ASSUMED, False),
        ("Noise that the run itself shows, and days that were not usual, margin 1", IN_RUN, False),
        ("Healthy canaries in worlds of pods, margin 1.25 and 0.001", DEFAULT, False),
        *(() if options.quick else (("A long run", (LONG,), False),)),
    ):
        _head(f"{title}; {runs:,} runs each")
        for row in rows:
            lines = lines_of(row, runs, options.seed, peers, started)
            _print(row.world, lines)
            for name, line in lines.items():
                _note(row, name, line, runs, figures, beaten if name in ON_TRUTH else missed)
            for table in tables if peers else ():
                table.add(row, lines)
    _beaten(beaten)
    _demos(figures, 30)
    slow = _costs(figures)
    if options.table:
        options.table.write_text("\n".join([table.text for table in tables]))
    if options.plot:
        options.plot.write_text(_cost.picture())
    close("judge", figures, [*missed, *slow])
    return 1 if missed else 0  # how fast it is tells of the machine too


def _head(title: str) -> None:
    print(f"\n{title}")
    columns = ("world", "judge", "false aborts", "found", "evaluations", "requests", "bad promoted")
    print(f"{columns[0]:28}{columns[1]:18}" + "".join(f"{column:>14}" for column in columns[2:]))


class _Table:
    """The worlds with peers as Markdown: mean evaluations to detection, in brackets false aborts."""

    def __init__(self, judges: list[str]) -> None:
        self.judges = judges
        self.rows = [f"| world | {' | '.join(judges)} |", "|---" * (len(judges) + 1) + "|"]

    def add(self, row: Row, found: dict[str, Line]) -> None:
        lines = {name: found[name] for name in self.judges}
        if row.world.healthy:
            cells = [f"healthy ({100 * line.false_aborts:.1f} %)" for line in lines.values()]
        else:
            cells = [
                f"{'never' if line.found < 0.01 else f'{line.evaluations:.1f}'} ({100 * line.false_aborts:.1f} %)"
                for line in lines.values()
            ]
        name = row.world.name + (" †" if row.known == "history" else "")
        self.rows.append(f"| {name} | **{cells[0].replace(' (', '** (', 1)} | {' | '.join(cells[1:])} |")

    @property
    def text(self) -> str:
        return "\n".join([*self.rows, ""])


def _print(world: World, lines: dict[str, Line]) -> None:
    for i, (name, line) in enumerate(lines.items()):
        cells = [f"{line.false_aborts:.4f}"]
        cells += ["", "", "", ""] if world.healthy else [
            f"{line.found:.3f}", f"{line.evaluations:.1f}", f"{line.requests:,.0f}", f"{line.promoted:.3f}"
        ]  # fmt: skip
        print(f"{world.name if i == 0 else '':28}{name:18}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def _note(row: Row, name: str, line: Line, runs: int, figures: dict[str, float], missed: list[str]) -> None:
    """Keep the figures, and which of them are missed by more than sampling error explains."""
    key = f"{row.world.name} [{row.known}]"
    if name != SERINUS:
        ours = figures.get(f"{key}: evaluations")
        rate = figures[f"{key}: false aborts"]
        if runs < 1000 and name in ON_TRUTH:
            return  # a boundary at a fraction of a percent is not to be had from so few
        fair = line.false_aborts <= rate + 2 * np.sqrt(max(rate, 1 / runs) / runs)
        if not row.world.healthy and ours is not None and fair and line.evaluations < ours - 2 * line.error:
            missed.append(f"{key}: {name} needs {line.evaluations:.1f} evaluations, Serinus {ours:.1f}")
        return
    figures[f"{key}: false aborts"] = round(line.false_aborts, 5)
    if row.held and line.false_aborts > ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / runs):
        missed.append(f"{key}: false aborts {line.false_aborts:.4f}")
    if row.world.healthy:
        return
    figures[f"{key}: evaluations"] = round(line.evaluations, 2)
    figures[f"{key}: requests"] = round(line.requests)
    figures[f"{key}: bad promoted"] = round(line.promoted, 5)
    if row.world in [margin.world for margin in MARGINS] and line.found > ALPHA + 2 * np.sqrt(ALPHA / runs):
        missed.append(f"{key}: aborted at its margin {line.found:.4f}")
    if line.promoted > BETA + 2 * np.sqrt(BETA * (1 - BETA) / runs):
        missed.append(f"{key}: bad promoted {line.promoted:.4f}")
    if row.target is not None and line.evaluations - 2 * line.error > 1.1 * row.target:
        missed.append(f"{key}: {line.evaluations:.1f} evaluations, wanted {row.target}")


def _beaten(beaten: list[str]) -> None:
    print("\nWhere a peer whose bar was set on the truth is faster at no higher rate of false aborts")
    print("\n".join(beaten) or "nowhere")


def _demos(figures: dict[str, float], runs: int) -> None:
    print(f"\nAs large as the demo, noise assumed, evaluations of 1 s; {runs} runs each")
    for pace in (10_000, 1000):
        good, bad = demo(pace, None, runs), demo(pace, 0.01, runs)
        stages = {int(s): int((bad.aborted == s).sum()) for s in np.unique(bad.aborted)}
        figures[f"demo {pace}/s: promoted"] = float(good.promoted.mean())
        figures[f"demo {pace}/s: seconds to promotion"] = round(float(good.seconds.mean()), 1)
        figures[f"demo {pace}/s: seconds to abort"] = round(float(bad.seconds.mean()), 1)
        print(
            f"{pace:>6,} requests a second: healthy promoted {good.promoted.sum()} of {runs} after "
            f"{good.seconds.mean():.0f} s; 0.2 to 1 % from the 10 % stage on aborted after {bad.seconds.mean():.0f} s, "
            f"by stage {stages}"
        )


def _costs(figures: dict[str, float]) -> list[str]:
    """Print them; gives those that are missed."""
    found = _cost.cost()
    print("\nOne evaluation of six metrics (five proportions, latency at five edges both ways, intervals), CPU in us")
    together = f"each of {_cost.TOGETHER} runs judged together"
    print(f"judgement and sentence {found['evaluation']:.0f}; {together} {found['evaluation of many']:.0f}")
    print(f"of it the law {found['law']:.0f} and {found['law of many']:.0f}")
    print(f"the verdict's numbers, where they are published: {found['metrics']:.0f} more")
    seldom = f"{found['guardrails, with a point']:.0f} where pods are compared"
    print(f"guardrails, 16 pods: {found['guardrails']:.0f}, {seldom}; its findings {found['findings']:.0f}")
    print(f"descriptions, where a verdict changes or acts, else at every tenth evaluation: {found['descriptions']:.0f}")
    print(f"pack {found['pack']:.0f}, unpack {found['unpack']:.0f}; evidence {found['bytes']:,.0f} bytes")
    for name, value in found.items():
        figures[f"cost: {name}"] = round(value, 1)
    slow = [name for name in ("evaluation", "evaluation of many") if found[name] > 250]
    large = [f"evidence: {found['bytes']:.0f} bytes"] if found["bytes"] > 8192 else []
    return [f"cost: {name} {found[name]:.0f} us, wanted 250" for name in slow] + large


if __name__ == "__main__":
    sys.exit(main())
