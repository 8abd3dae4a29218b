"""What one evaluation costs, and a picture of evidence over time: both by the judge as the analyzer calls it."""

from collections.abc import Callable
from dataclasses import replace
from time import process_time

import numpy as np
from serinus_contracts.events import Distribution, Measurement, MetricsCollected, Proportion, Run, Window
from serinus_contracts.plan import AnalysisPlan
from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.sequential import inference
from serinus_judging.sequential.counts import count, fold
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.judge import SequentialJudge
from serinus_judging.sequential.layout import key_of, layout, slots_used
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.state import SnapshotCounts, State, updated

from benchmarks._durations import EDGES, shares
from benchmarks._plans import plan, proportion, six_metrics
from benchmarks._worlds import PER_EVALUATION, RAMP

RUN = Run(cluster="b", namespace="b", name="b", uid="b", canary_hash="new", stable_hash="old", attempt=1)
TOGETHER = 16
"""Runs that an analyzer judges in one call, of a batch of entries."""


JUDGE = SequentialJudge()


def judged(plan: AnalysisPlan, evidence: Evidence, taken: MetricsCollected) -> tuple[Evidence, Assessment]:
    """One snapshot of one run."""
    return JUDGE.judge([(plan, evidence, taken)])[0]


def snapshot(
    metrics: dict[str, Measurement], number: int, stage: int, started: int, weight: int, interval: int = 30_000
) -> MetricsCollected:
    """A snapshot, `number` from 1."""
    end = number * interval
    return MetricsCollected(
        run=RUN,
        follows=end - interval,
        end=end,
        step=2 * stage + 1,
        stage=stage,
        stage_started=started,
        weight=weight,
        plan="",
        metrics=metrics,
    )


def cost(repeats: int = 300) -> dict[str, float]:
    """Microseconds of CPU per evaluation of six metrics, and of its parts; bytes of evidence."""
    rule = six_metrics()
    random = np.random.default_rng(0)
    evidence, memory = JUDGE.start(rule), GuardrailMemory.start(rule)
    for number in range(1, 13):
        taken = snapshot(_six(rule, random), number, 2, 0, 10)
        evidence, _ = judged(rule, evidence, taken)
        memory, _ = checks.evaluate(rule, memory, snapshot(_six(rule, random, 4, 12), number, 2, 0, 10))
    taken = snapshot(_six(rule, random), 13, 2, 0, 10)
    scheme = layout(key_of(rule), tuple(slots_used(pairs) for pairs in evidence.pairs))
    counted = count(rule, key_of(rule).channels, evidence.pairs, taken)
    channels = scheme.channels
    folded = fold(evidence.noise, counted, 2, False)
    cases = [(rule, evidence, taken)] * TOGETHER
    many = State.stacked([evidence.state] * TOGETHER)
    one, alone = State.stacked([evidence.state]), SnapshotCounts.stacked([folded])
    several = SnapshotCounts.stacked([folded] * TOGETHER)
    packed = evidence.pack()
    assessment = judged(rule, evidence, taken)[1]
    many_pods = snapshot(_six(rule, random, 4, 12), 13, 2, 0, 10)
    seen = checks.evaluate(rule, memory, many_pods)[1]
    whole = checks.apply_guardrails(assessment, seen)

    skipped = replace(memory, snapshots=memory.snapshots + 1)

    def law() -> None:
        inference.infer(scheme, updated(channels, one, alone), [rule])

    def laws() -> None:
        inference.infer(scheme, updated(channels, many, several), [rule] * TOGETHER)

    return {
        "evaluation": _microseconds(lambda: judged(rule, evidence, taken), repeats),
        "evaluation of many": _microseconds(lambda: JUDGE.judge(cases), repeats // TOGETHER + 1) / TOGETHER,
        "metrics": _microseconds(assessment.report, repeats),
        "guardrails": _microseconds(lambda: checks.evaluate(rule, skipped, many_pods), repeats),
        "guardrails, with a point": _microseconds(lambda: checks.evaluate(rule, memory, many_pods), repeats),
        "findings": _microseconds(whole.found, repeats),
        "descriptions": _microseconds(whole.described, repeats),
        "law": _microseconds(law, repeats),
        "law of many": _microseconds(laws, repeats // TOGETHER + 1) / TOGETHER,
        "pack": _microseconds(evidence.pack, repeats),
        "unpack": _microseconds(lambda: Evidence.unpack(packed), repeats),
        "bytes": float(len(packed) + len(memory.pack())),
    }


def _microseconds(what: Callable[[], object], repeats: int) -> float:
    """The best of seven rounds: what the code costs when nobody disturbs it."""
    what()
    rounds = []
    for _ in range(7):
        start = process_time()
        for _ in range(repeats):
            what()
        rounds.append((process_time() - start) / repeats)
    return min(rounds) * 1e6


def _six(rule: AnalysisPlan, random: np.random.Generator, own: int = 1, others: int = 1) -> dict[str, Measurement]:
    n, m, rates = (
        1000,
        9000,
        {"errors": 0.002, "timeouts": 0.01, "retries": 0.003, "rejections": 0.02, "conversion": 0.3},
    )
    found: dict[str, Measurement] = {}
    for metric in rule.metrics:
        if metric.source.kind == "proportion":
            x, y = (int(random.binomial(v, rates[metric.name])) for v in (n, m))
            window = Window(begin=0, end=30_000)
            found[metric.name] = Proportion(
                status="ok", window=window, canary=_pods("a", own, x, n), stable=_pods("b", others, y, m)
            )
            continue
        arms = (tuple(int(c) for c in random.multinomial(v, shares(0.2))) for v in (n, m))
        canary, stable = arms
        window = Window(begin=0, end=30_000)
        found[metric.name] = Distribution(status="ok", window=window, edges=EDGES, canary=canary, stable=stable)
    return found


def _pods(arm: str, count: int, events: int, trials: int) -> dict[str, tuple[int, int]]:
    """Counts spread over pods."""
    return {
        f"{arm}{i}": (events * (i + 1) // count - events * i // count, trials * (i + 1) // count - trials * i // count)
        for i in range(count)
    }


def picture(seed: int = 3) -> str:
    """An SVG of ln M over three runs: healthy, twice the errors at once, and from the 25 % stage on."""
    weights = RAMP
    rule = plan((proportion("errors", 1.0),), weights, ("noRegression",) * 4 + ("nonInferiority",), maximum=10**6)
    lines = []
    for factor, onset, name, dash in (
        (1.0, 0, "healthy", ""),
        (2.0, 0, "errors x 2 from the start", ""),
        (2.0, 96, "errors x 2 from the 25 % stage", "6 3"),
    ):
        random = np.random.default_rng(seed)
        evidence = JUDGE.start(rule)
        evidence = replace(evidence, noise=Noise.uniform(1.0, 0.0, *evidence.noise.kappa.shape))
        values = []
        for t in range(160):
            stage = t // 32
            n = int(PER_EVALUATION * weights[stage])
            x = int(random.binomial(n, 0.001 * (factor if t >= onset else 1)))
            y = int(random.binomial(PER_EVALUATION - n, 0.001))
            window = Window(begin=t * 30_000, end=(t + 1) * 30_000)
            counts = Proportion(
                status="ok", window=window, canary={"a": (x, n)}, stable={"b": (y, PER_EVALUATION - n)}, series=2
            )
            taken = snapshot({"errors": counts}, t + 1, stage, stage * 32 * 30_000, round(100 * weights[stage]))
            evidence, assessment = judged(rule, evidence, taken)
            values.append(assessment.log_eprocess)
            if assessment.verdict == "abort":
                break
        lines.append((name, values, dash))
    return _svg(lines)


def _svg(lines: list[tuple[str, list[float], str]]) -> str:
    width, height, left, bottom, low, high = 760, 300, 46, 34, -4.0, 6.5
    bar = float(np.log(100))

    def x(evaluation: float) -> float:
        return round(left + (width - left - 12) * evaluation / 160, 1)

    def y(value: float) -> float:
        return round(12 + (height - bottom - 12) * (high - min(max(value, low), high)) / (high - low), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11" role="img" aria-label="Evidence of a regression over the evaluations of three releases">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for stage, weight in enumerate(RAMP):
        parts.append(f'<line x1="{x(32 * stage)}" y1="12" x2="{x(32 * stage)}" y2="{y(low)}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(32 * stage) + 4}" y="{y(low) - 6}" fill="#777">{100 * weight:g} %</text>')
    parts += [
        f'<text x="{left - 8}" y="{y(value) + 4}" text-anchor="end" fill="#555">{value}</text>'
        for value in (-4, -2, 0, 2, 4, 6)
    ]
    parts.append(
        f'<line x1="{left}" y1="{y(bar)}" x2="{width - 12}" y2="{y(bar)}" stroke="#b00" stroke-dasharray="4 3"/>'
    )
    parts.append(f'<text x="{width - 14}" y="{y(bar) - 5}" text-anchor="end" fill="#b00">abort: ln 100</text>')
    below = f'x="{width / 2}" y="{height - 8}" text-anchor="middle" fill="#555"'
    parts.append(f"<text {below}>evaluation (30 s each)</text>")
    for (name, values, dash), colour in zip(lines, ("#2a7", "#c50", "#15a"), strict=True):
        points = " ".join(f"{x(i + 1)},{y(v)}" for i, v in enumerate(values))
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{stroke}/>')
        end = x(len(values)), y(values[-1])
        anchor, shift = ("end", -6) if len(values) > 110 else ("start", 6)
        parts.append(
            f'<text x="{end[0] + shift}" y="{end[1] + (14 if values[-1] > bar else -6)}" text-anchor="{anchor}" '
            f'fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
