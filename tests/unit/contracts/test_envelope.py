import json
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from serinus_contracts import (
    DecisionTaken,
    Event,
    MetricsCollected,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
    kind_of,
    seal,
    to_entry,
)

from tests.support import RUN, command, observed, snapshot, verdict

DECISION = DecisionTaken(
    run=RUN, step=1, action="advance", cause="c", detail="d", mode="enforce", state="confirmed", decided=5
)
EVENTS: list[Event] = [observed(), snapshot(), verdict(), DECISION, command("approve")]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_its_entry_as_it_went_in(event: Event) -> None:
    entry = to_entry(seal(event, source="/serinus/test", now=1_763_862_000_123, traceparent="00-a-b-01"))
    as_bytes = {name.encode(): value.encode() for name, value in entry.items()}
    envelope = from_entry(type(event), as_bytes)
    assert envelope.data == event
    assert envelope.id == event.event_id()
    assert envelope.traceparent == "00-a-b-01"
    assert entry["ce_time"] == "2025-11-23T01:40:00.123000+00:00"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_reader_that_knows_only_cloudevents_reads_it(event: Event) -> None:
    entry = to_entry(seal(event, source="/serinus/test", now=1_763_862_000_123))
    read: Any = JSONFormat().read(None, entry["ce"])
    assert (read.get_id(), read.get_type(), read.get_source()) == (event.event_id(), event.TYPE, "/serinus/test")
    assert read.get_subject() == RUN.id
    assert read.get_data()["run"]["name"] == "checkout"


def test_the_flat_fields_let_a_reader_filter_without_parsing_json() -> None:
    entry = to_entry(seal(verdict(), source="/serinus/analyzer", now=0))
    assert {name: entry[name] for name in ("run", "end", "verdict", "reason", "ce_id")} == {
        "run": "test/u-1/new/1",
        "end": "1010000",
        "verdict": "proceed",
        "reason": "no_regression",
        "ce_id": "test/u-1/new/1:1010000",
    }


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({}, "no field ce"),
        ({"ce": "garbage"}, "Invalid JSON"),
        ({"ce": "[]"}, "should be an object"),
        ({"ce": "{}"}, "Field required"),
        ({b"ce": b"\xff\xfe"}, "ce"),
    ],
)
def test_an_entry_that_is_no_event_says_what_is_wrong_with_it(entry: dict[str, str], complaint: str) -> None:
    with pytest.raises(UnreadableEntryError, match=complaint):
        from_entry(VerdictReached, entry)


def test_another_event_on_the_stream_is_not_taken_for_ours() -> None:
    entry = to_entry(seal(verdict(), source="/serinus/analyzer", now=0))
    renamed = {"ce": entry["ce"].replace(VerdictReached.TYPE, "dev.serinus.verdict.reached.v2")}
    with pytest.raises(UnreadableEntryError, match=r"expected dev\.serinus\.verdict\.reached\.v1"):
        from_entry(VerdictReached, renamed)


def test_a_field_that_only_a_newer_writer_knows_is_passed_over() -> None:
    document = json.loads(to_entry(seal(verdict(), source="/s", now=0))["ce"])
    document["data"]["tomorrow"] = 1
    assert from_entry(VerdictReached, {"ce": json.dumps(document)}).data == verdict()


def test_an_event_of_a_writer_that_knew_no_images_is_read() -> None:
    document = json.loads(to_entry(seal(observed(), source="/s", now=0))["ce"])
    for later in ("images", "revision"):
        document["data"].pop(later, None)
    read = from_entry(RolloutObserved, {"ce": json.dumps(document)}).data
    assert (read.images, read.revision) == ({}, None)


def test_numbers_that_json_does_not_have_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError, match="finite number"):
        verdict(log_eprocess=float("nan"))


def test_every_type_finds_its_class() -> None:
    assert [kind_of(kind.TYPE) for kind in (RolloutObserved, MetricsCollected)] == [RolloutObserved, MetricsCollected]
    with pytest.raises(UnreadableEntryError):
        kind_of("dev.serinus.something.else.v1")
