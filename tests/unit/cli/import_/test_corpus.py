"""What comes of manifests in the shapes of the field, in their decisive numbers."""

from pathlib import Path

import pytest
from serinus.import_.convert import Imported, convert
from serinus.import_.manifests import read
from serinus_contracts.metric import MetricRule
from serinus_contracts.policy import CanaryPolicy
from serinus_runtime.documents import DocumentError

from tests.unit.cli.import_.corpus import ALONE, CASES, Case


def imported(folder: Path, text: str) -> Imported:
    file = folder / "manifests.yaml"
    file.write_text(text)
    return convert(read([file]), "guard")


def told(metric: MetricRule) -> str:
    """A metric's numbers where they are no defaults: `woven stage start 300 every 30 x3`."""
    asked = metric.conditions
    assert asked is not None
    words = [metric.name, asked.over]
    words += [f"@{','.join(f'{weight:g}' for weight in asked.weights)}"] if asked.weights else []
    words += [] if asked.start_after is None else [f"start {asked.start_after:g}"]
    words += [f"delay {asked.initial_delay:g}"] if asked.initial_delay else []
    words.append("once" if asked.interval is None else f"every {asked.interval:g}")
    words += [f"x{asked.count}"] if asked.count else []
    limits = [
        ("failed", asked.failure_limit, 0), ("unclear", asked.inconclusive_limit, 0),
        ("errors", asked.consecutive_error_limit, 4), ("row", asked.consecutive_success_limit, None),
    ]  # fmt: skip
    words += [f"{name} {value}" for name, value, default in limits if value != default]
    words += [f"asks {metric.query}"] if metric.query != "woven" else []
    return " ".join([*words, *(["dry"] if asked.dry_run else [])])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_numbers_that_argo_would_use_come_out_or_it_is_said_why_not(tmp_path: Path, case: Case) -> None:
    lines = case.expected.splitlines()
    if case.expected.startswith("error "):
        with pytest.raises(DocumentError) as refused:
            imported(tmp_path, case.text)
        assert case.expected.removeprefix("error ") in str(refused.value)
        assert all(problem.line for problem in refused.value.problems)
        return
    made = imported(tmp_path, case.text)
    spec = CanaryPolicy.model_validate(made.policy).spec
    asked = ("" if stage.approval == "none" else "!" for stage in spec.stages)
    found = [f"{one.weight:g} % {one.minimum:g} s{mark}" for one, mark in zip(spec.stages, asked, strict=True)]
    found += map(told, spec.metrics)
    beside = [line for line in lines if line.split()[0] in ("said", "lost", "every")]
    assert found == [line for line in lines if line not in beside]
    notes, lost = "\n".join(made.report.notes), "\n".join(map(str, made.report.lost))
    for line in beside:
        word, _, rest = line.partition(" ")
        assert rest in {"said": notes, "lost": lost, "every": f"{spec.interval:g}"}[word]
    assert bool(lost) == any(line.startswith("lost") for line in lines)


@pytest.mark.parametrize(("text", "complaint"), ALONE)
def test_documents_of_other_programs_and_unrendered_ones_are_answered_with_the_way(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(DocumentError) as refused:
        imported(tmp_path, text)
    assert complaint in str(refused.value)
