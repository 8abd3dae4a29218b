"""Every event is kept in Redis, so nothing that somebody else writes may make one large."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel
from serinus_contracts import DecisionTaken
from serinus_contracts.base import MAX_TEXT_LENGTH, shortened
from serinus_contracts.envelope import EVENTS

from tests.support import RUN, command, verdict

# Names that Kubernetes and the policy's model bound, digests and words of our own.
NAMES = {
    "cluster", "namespace", "name", "uid", "canary_hash", "stable_hash", "resource_version", "plan", "query",
    "query_digest", "metric", "judge", "id", "cause",
}  # fmt: skip
LONG = "x" * 1_000_000


def models(kind: Any) -> set[type[BaseModel]]:
    """The models of which a type is made."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {kind}.union(*(models(field.annotation) for field in kind.model_fields.values()))
    return set().union(*map(models, get_args(kind)))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_a_text_of_an_event_is_a_name_or_bounded(kind: type[BaseModel]) -> None:
    fields = [(name, field) for model in models(kind) for name, field in model.model_fields.items()]
    assert {name for name, field in fields if field.annotation is str and not field.metadata} <= NAMES


def test_what_is_left_out_of_a_long_text_is_seen_to_be() -> None:
    assert shortened("x" * MAX_TEXT_LENGTH) == "x" * MAX_TEXT_LENGTH
    assert command("abort", reason=LONG).reason == verdict(sentence=LONG).sentence == "x" * (MAX_TEXT_LENGTH - 1) + "…"


def test_a_decision_says_how_long_was_what_it_does_not_show() -> None:
    fields: dict[str, Any] = {
        "run": RUN,
        "step": 1,
        "action": "override",
        "cause": "c",
        "detail": "d",
        "mode": "enforce",
    }
    changed = DecisionTaken(**fields, state="confirmed", decided=0, before={"interval": 5, "metrics": [LONG]}, after={})
    assert changed.before == {"interval": 5, "metrics": "left out: 1,000,004 characters of JSON"}
