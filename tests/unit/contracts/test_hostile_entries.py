"""Whatever stands in a stream, it is an event or refused with one sentence; nothing else comes of it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts import CanaryPolicy, CommandIssued, UnreadableEntryError, from_entry, seal, to_entry
from serinus_contracts.envelope import EVENTS
from serinus_contracts.events import Event

from tests.support import command, observed, snapshot, verdict

GOOD: tuple[Event, ...] = (observed(), snapshot(), verdict(), command("hold"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A true event in which something is replaced, left out or cut off."""
    document = json.loads(to_entry(seal(draw(st.sampled_from(GOOD)), source="/s", now=0))["ce"])
    for _ in range(draw(st.integers(0, 3))):
        place: Any = document
        while isinstance(place, dict) and place:
            name = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[name], dict) or draw(st.booleans()):
                place[name] = draw(JSON)
                break
            place = place[name]
    text = json.dumps(document).encode()
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


FIELDS = st.fixed_dictionaries({b"ce": bent() | st.binary(max_size=40)}) | st.dictionaries(st.binary(), st.binary())


def read(kind: type[Event], fields: Any) -> Event | str:
    try:
        return from_entry(kind, fields).data
    except UnreadableEntryError as error:
        return str(error)


@given(st.sampled_from(EVENTS), FIELDS)
@example(CommandIssued, {b"ce": b"[" * 100_000})
@example(CommandIssued, {b"ce": b'{"time": "9999999-01-01T00:00:00Z"}'})
def test_any_entry_is_an_event_or_refused_in_one_sentence(kind: type[Event], fields: dict[bytes, bytes]) -> None:
    found = read(kind, fields)
    if isinstance(found, str):
        assert 0 < len(found) < 1000
    else:
        assert isinstance(found, kind)
        assert read(kind, to_entry(seal(found, source="/s", now=0))) == found


def test_a_refusal_does_not_repeat_what_the_entry_held() -> None:
    """It goes to logs and dead letters that more people read than the stream."""
    document = json.loads(to_entry(seal(command("hold"), source="/s", now=0))["ce"])
    document["data"]["verb"] = "planted-secret"
    with pytest.raises(UnreadableEntryError) as refused:
        from_entry(CommandIssued, {b"ce": json.dumps(document).encode()})
    assert "planted-secret" not in str(refused.value)


SPEC = {"match": {"namespace": "shop"}, "metrics": [{"name": "errors", "preset": "http-errors"}]}
KEYS = st.sampled_from(
    ["match", "mode", "interval", "falseAbortRate", "stages", "metrics", "limits", "judge", "source", "x"]
)


PARTS = st.lists(st.dictionaries(st.sampled_from(["name", "preset", "events", "margin", "weight"]), JSON))


@given(st.dictionaries(KEYS, JSON | PARTS))
@example({"interval": "9" * 10_000 + "s"})
@example({"metrics": [{"name": "a", "events": "up{" * 10_000}]})
def test_any_policy_is_accepted_or_refused_with_its_places(change: dict[str, Any]) -> None:
    document = {"apiVersion": "serinus.dev/v1alpha1", "kind": "CanaryPolicy", "metadata": {"name": "shop"}}
    try:
        policy = CanaryPolicy.model_validate({**document, "spec": {**SPEC, **change}})
    except ValidationError:
        return
    assert CanaryPolicy.model_validate(policy.model_dump(mode="json", exclude_unset=True)) == policy
