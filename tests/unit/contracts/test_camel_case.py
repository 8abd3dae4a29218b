"""A policy's keys are camelCase, in a file, in the custom resource and in a plan."""

import re

import pytest
from pydantic import BaseModel, ValidationError
from serinus_contracts import AnalysisPlan, CanaryPolicy, Margin, PlanMetric, Queried
from serinus_contracts.base import PolicyDocument
from serinus_contracts.judge import RecommendationRule, ThresholdRule
from serinus_contracts.metric import Conditions
from serinus_contracts.policy import PolicySpec
from serinus_runtime import documents

from tests.support import plan

UP = Queried(query="up", conditions=Conditions(success="true", failureLimit=3))


def parts(of: type[BaseModel]) -> list[type[BaseModel]]:
    return [of, *(part for kind in of.__subclasses__() for part in parts(kind))]


KEYS = [(kind, key) for kind in parts(PolicyDocument)[1:] for key in kind.key_names()]  # type: ignore[attr-defined]
LONG = [(kind, key) for kind, key in KEYS if key != key.lower()]


def test_every_key_of_a_policy_is_camel_case() -> None:
    assert len(LONG) > 40
    assert [key for _, key in KEYS if not re.fullmatch(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*", key)] == []


@pytest.mark.parametrize("key", PolicySpec.key_names())
def test_a_misspelt_key_is_answered_with_the_one_that_is_meant(key: str) -> None:
    snake = re.sub("([A-Z])", lambda found: "_" + found[0].lower(), key)
    text = f"apiVersion: serinus.dev/v1alpha1\nkind: CanaryPolicy\nmetadata: {{name: x}}\nspec:\n  {snake}_: 1\n"
    with pytest.raises(documents.DocumentError) as error:
        documents.read(text, "policy.yaml", CanaryPolicy)
    assert f"policy.yaml:5:3: spec.{snake}_: unknown key: did you mean {key}?" in str(error.value)


@pytest.mark.parametrize(("kind", "key"), LONG, ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_snake_case_is_refused(kind: type[PolicyDocument], key: str) -> None:
    snake = re.sub("([A-Z])", lambda found: "_" + found[0].lower(), key)
    with pytest.raises(ValidationError) as error:
        kind.model_validate({snake: None})
    assert ("extra_forbidden", (snake,)) in [(one["type"], one["loc"]) for one in error.value.errors()]


@pytest.mark.parametrize(
    "made",
    [
        plan(judge=RecommendationRule(name="recommendation", holdBelow=60.0)),
        plan(judge=ThresholdRule(name="threshold"), metrics=(PlanMetric(name="up", source=UP, margin=Margin()),)),
    ],
    ids=["judge", "conditions"],
)
def test_a_plan_holds_parts_of_its_policy_as_the_policy_writes_them(made: AnalysisPlan) -> None:
    text = made.model_dump_json()
    assert AnalysisPlan.model_validate_json(text) == made
    assert "holdBelow" in text or "failureLimit" in text
    assert '"false_abort_rate"' in text
