"""What docs/explanation/security.md promises of every judge: missing data never promote, whatever the policy says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from serinus_contracts import PlanMetric, Proportion, Queried, Scalar
from serinus_contracts.judge import JudgeRule
from serinus_contracts.metric import Conditions, Margin
from serinus_judging.judges import JUDGES

from tests.support import ERRORS, plan, snapshot, stage

ASKED = PlanMetric(
    name="errors", source=Queried(query="up", conditions=Conditions(success="result[0] > 0")), margin=Margin()
)
BACKGROUND = PlanMetric(
    name="errors",
    source=Queried(query="up", conditions=Conditions(success="result[0] > 0", over="run", interval=10)),
    margin=Margin(),
)
BAD = st.sampled_from(["no_data", "partial", "error"])


@pytest.mark.parametrize("name", JUDGES)
@settings(max_examples=40)
@given(
    statuses=st.lists(BAD | st.just("absent"), min_size=1, max_size=12),
    on_time_spent=st.sampled_from(["hold", "proceed"]),
    gate=st.sampled_from(["noRegression", "nonInferiority"]),
    background=st.booleans(),
)
def test_while_nothing_was_ever_counted_no_gate_opens(
    name: str, statuses: list[str], on_time_spent: Any, gate: Any, background: bool
) -> None:
    judge = JUDGES[name]
    rule: Any = TypeAdapter(JudgeRule).validate_python({"name": name})
    metric = ERRORS if name != "threshold" else BACKGROUND if background else ASKED
    kind: Any = Scalar if name == "threshold" else Proportion
    stages = (stage(5, 0, minimum=0.0, maximum=30.0, gate=gate),)
    made = plan(judge=rule, metrics=(metric,), stages=stages, on_time_spent=on_time_spent)
    evidence: Any = judge.start(made)
    for number, status in enumerate(statuses):
        found = {} if status == "absent" else {"errors": kind(status=status, detail="away")}
        follows = 0 if not number else 1_000_000 + 10_000 * number
        look = snapshot(follows=follows, end=1_010_000 + 10_000 * number, metrics=found)
        evidence, said = judge.judge([(made, evidence, look)])[0]
        assert said.verdict != "proceed", said.sentence
