"""How every benchmark tells what it saw: a line for each figure, and as the last line of all one of JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

Figures = dict[str, float]
Goals = Mapping[str, tuple[Literal["at least", "at most"], float]]
"""What a figure is to reach, by its name."""


def table(figures: Figures, goals: Goals) -> str:
    """A line for each figure, with its goal where it has one."""
    lines = []
    for name, value in figures.items():
        word, goal = goals.get(name, ("", 0.0))
        note = f"{word} {goal:,g}: {'met' if met(value, word, goal) else 'MISSED'}" if word else ""
        shown = f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
        lines.append(f"{name:<60}{shown:>12}  {note}".rstrip())
    return "\n".join(lines)


def met(value: float, word: str, goal: float) -> bool:
    """Whether a figure reaches its goal."""
    return value >= goal if word == "at least" else value <= goal


def missed(figures: Figures, goals: Goals) -> list[str]:
    """The goals that were not reached, in words; one without a figure was not measured, and is not told."""
    return [
        f"{name}: {figures[name]:g}, wanted {word} {goal:g}"
        for name, (word, goal) in goals.items()
        if name in figures and not met(figures[name], word, goal)
    ]


def close(benchmark: str, figures: Figures, missed: Sequence[str]) -> None:
    """Print the last line."""
    rounded = {name: round(value, 5) for name, value in figures.items()}
    print(json.dumps({"benchmark": benchmark, "figures": rounded, "missed": list(missed)}))
