"""The curve of the evidence over a run, as inline SVG."""

from collections.abc import Iterator
from math import exp, log

from serinus_contracts.report import Report
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import clock

from serinus.report import words

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 240, 64, 28, 18
# Below this the evidence speaks for the canary; how much so is not what this curve is about.
FLOOR = -log(100)


def svg(report: Report) -> str:
    """Evidence against the canary by time, the bar from which it is aborted, and the stages; empty without any."""
    if not report.evidence:
        return ""
    begin, end = report.began, max(report.ended or 0, report.evidence[-1].at, report.began + 1)
    top = max(words.bar(report) * 1.15, *(one.log_eprocess for one in report.evidence))

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (at - begin) / (end - begin)

    def y(evidence: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (max(evidence, FLOOR) - FLOOR) / (top - FLOOR))

    points = " ".join(f"{x(one.at):.1f},{y(one.log_eprocess):.1f}" for one in report.evidence)
    bar = y(words.bar(report))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="plot">',
        f'<title id="plot">Evidence of a regression, from {clock(begin)} to {clock(end)}</title>',
    ]
    for one in report.stages:
        at = x(one.at)
        parts.append(f'<line class="stage" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at + 3:.1f}" y="{TOP - 5}">{weight_text(one.weight)}</text>')
    for value, label in _ticks(top):
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    parts += [
        f'<line class="bar" x1="{LEFT}" x2="{WIDTH - 8}" y1="{bar:.1f}" y2="{bar:.1f}"/>',
        f'<text x="{LEFT + 4}" y="{bar + 12:.1f}">abort from {exp(words.bar(report)):.0f} : 1</text>',
        f'<polyline points="{points}"/>',
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{clock(begin)}</text>',
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end">{clock(end)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def _ticks(top: float) -> Iterator[tuple[float, str]]:
    """Odds at powers of ten."""
    power, step = -2, 1 if top < log(10**6) else max(1, round(top / log(10) / 6))
    while power * log(10) <= top:
        yield power * log(10), f"10^{power} : 1" if abs(power) > 3 else f"{10.0**power:g} : 1"
        power += step
