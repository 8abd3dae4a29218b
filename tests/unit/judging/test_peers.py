"""The rules that the benchmark tries on thousands of runs at once decide as the judges that an analyzer runs."""

from dataclasses import replace

import numpy as np
import pytest
from serinus_contracts.events import Distribution, Measurement, Proportion, Window
from serinus_contracts.judge import JudgeRule, KayentaRule, RecommendationRule, ScorecardRule
from serinus_judging.judges import JUDGES

from benchmarks._cost import snapshot
from benchmarks._drawing import draw
from benchmarks._durations import EDGES
from benchmarks._peers import decided_at, kayenta, recommendation, scorecard
from benchmarks._plans import plan_of
from benchmarks._worlds import Drawn, Noise, World

RULES: dict[str, JudgeRule] = {
    "scorecard": ScorecardRule(name="scorecard"),
    "recommendation": RecommendationRule(name="recommendation"),
    "kayenta": KayentaRule(name="kayenta", passScore=100, marginalScore=100),
}
PEERS = {"scorecard": scorecard, "recommendation": recommendation, "kayenta": kayenta}
WORLDS = (
    World("errors", 0.02, 1.2, evaluations=50, per_evaluation=4000, lost=0.2),
    World("an outage", 0.004, 30.0, onset=27, evaluations=50, per_evaluation=4000),
    World("a drift", 0.03, 1.1, evaluations=50, per_evaluation=4000, noise=Noise(drift=0.2)),
    World("conversions", 0.3, 0.93, higher=True, evaluations=50, per_evaluation=3000),
    World("durations", 0.1, 1.5, durations=True, evaluations=50, per_evaluation=3000),
    World("a longer tail", 0.4, tail=0.1, durations=True, evaluations=50, per_evaluation=3000),
)


def one_by_one(rule: JudgeRule, drawn: Drawn, run: int) -> int:
    """The look (from 1) at which the judge aborts, 0 for none."""
    world, ends = drawn.world, decided_at(drawn)
    length = (ends[0][1] - ends[0][0]) * 30.0
    rules = plan_of(replace(world, lag=0))
    stages = tuple(stage.model_copy(update={"minimum": length, "maximum": 10**6}) for stage in rules.stages)
    rules = rules.model_copy(update={"judge": rule, "stages": stages})
    judge = JUDGES[rule.name]
    evidence = judge.start(rules)
    for stage, (begin, end) in enumerate(ends):
        for t in range(begin, end):
            weight = round(100 * world.weights[stage])
            look = snapshot({}, t + 1, stage, begin * 30_000, weight)
            metrics = {rules.metrics[0].name: measured(drawn, run, t)}
            evidence, found = judge.judge([(rules, evidence, look.model_copy(update={"metrics": metrics}))])[0]
            if found.verdict == "abort":
                return t + 1
    return 0


def measured(drawn: Drawn, run: int, t: int) -> Measurement:
    window = Window(begin=t * 30_000, end=(t + 1) * 30_000)
    if not drawn.valid[run, t]:
        return Proportion(status="waiting")
    if drawn.buckets is not None:
        canary, stable = (tuple(int(v) for v in arm[run, t]) for arm in drawn.buckets)
        return Distribution(status="ok", window=window, edges=EDGES, canary=canary, stable=stable)
    x, n, y, m = (int(v[run, t]) for v in (drawn.x, drawn.n, drawn.y, drawn.m))
    return Proportion(status="ok", window=window, canary={"a": (x, n)}, stable={"b": (y, m)})


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_many_runs_at_once_are_judged_as_one_by_one(world: World, name: str) -> None:
    drawn = draw(world, 12, np.random.default_rng(8))
    found = PEERS[name](drawn, drawn, 0.01)
    assert found.aborted.tolist() == [one_by_one(RULES[name], drawn, run) for run in range(12)]
