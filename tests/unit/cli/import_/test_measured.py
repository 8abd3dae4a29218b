"""From manifests to the verdict: the judge measures first when Argo would."""

from pathlib import Path

import pytest
from serinus.import_.convert import convert
from serinus.import_.manifests import read
from serinus_contracts import Scalar
from serinus_contracts.policy import CanaryPolicy
from serinus_judging.judges import JUDGES
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage

from tests.support import RUN, snapshot
from tests.unit.cli.import_.corpus import CASES

BEGUN, HOUR = 1_000_000, 3600
TEXTS = {case.name: case.text for case in CASES}


def aborted_at(folder: Path, text: str, late: float) -> tuple[float, float]:
    """The weight, and seconds since it was set, of the first measurement: every value is bad, and one failure aborts.

    Each stage lasts an hour; snapshots come once in an interval, the first so much after the change of weight.
    """
    file = folder / "manifests.yaml"
    file.write_text(text)
    made = CanaryPolicy.model_validate(convert(read([file]), "guard").policy)
    weights = [stage.weight for stage in made.spec.stages]
    plan = resolve(made, RUN, [Stage(weight, i, (), False) for i, weight in enumerate(weights)])
    judge, bad = JUDGES["threshold"], {"woven": Scalar(status="ok", values=(0.0,))}
    evidence = judge.start(plan)
    for stage, weight in enumerate(weights):
        started, after = BEGUN + stage * HOUR * 1000, late
        while after < HOUR:
            now = started + round(1000 * after)
            seen = snapshot(end=now, stage=stage, stage_started=started, weight=weight, metrics=bad)
            evidence, assessment = judge.judge([(plan, evidence, seen)])[0]
            if assessment.verdict == "abort":
                return weight, after
            after += plan.interval
    raise AssertionError("never measured")


@pytest.mark.parametrize("late", [0, 0.1, 29.9])
@pytest.mark.parametrize(
    ("name", "weight", "due"),
    [
        ("an analysis behind its pause", 20, 60),
        ("an analysis before its pause", 20, 0),
        ("an analysis between two pauses", 20, 300),
        ("one measurement at a long interval", 20, 60),
        ("one measurement without an interval", 20, 60),
        ("a background analysis from the first step", 20, 240),
        ("a background analysis from a later weight", 60, 240),
        ("a background analysis from within a stage", 20, 840),
    ],
)
def test_the_first_measurement_comes_when_argo_takes_it_or_at_most_half_a_minute_later(
    tmp_path: Path, name: str, weight: float, due: float, late: float
) -> None:
    at, seconds = aborted_at(tmp_path, TEXTS[name], late)
    assert at == weight
    assert due <= seconds < due + 30
