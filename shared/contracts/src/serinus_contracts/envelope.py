"""CloudEvents 1.0 and its mapping to a Redis stream entry.

CloudEvents has no Redis binding. Ours: the field `ce` holds the whole event as structured JSON
(`application/cloudevents+json`), so that any CloudEvents library reads it; beside it stand flat copies
(`ce_id`, `ce_type`, `ce_source`, `ce_subject`, `ce_time`, `traceparent` and a few of the data), for readers that
filter entries without parsing JSON. Only `ce` is read back.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, ValidationError

from serinus_contracts.base import Contract, Millis
from serinus_contracts.events import (
    CommandIssued,
    DecisionTaken,
    Event,
    MetricsCollected,
    RolloutObserved,
    VerdictReached,
)

EVENTS: tuple[type[Event], ...] = (
    RolloutObserved,
    MetricsCollected,
    VerdictReached,
    DecisionTaken,
    CommandIssued,
)
E_co = TypeVar("E_co", bound=Event, covariant=True)
E = TypeVar("E", bound=Event)


class UnreadableEntryError(ValueError):
    """A stream entry that holds no event of the expected type, and never will."""


class CloudEvent(Contract, Generic[E_co]):
    """CloudEvents 1.0 in JSON around an event. `subject` is the run's id; `traceparent` as W3C Trace Context has it."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    data: E_co


def seal(event: E, *, source: str, now: Millis, traceparent: str | None = None) -> CloudEvent[E]:
    """The event in its envelope. `source` names the kind of service, not the replica: with `id` it tells repeats."""
    return _envelope(type(event))(
        id=event.event_id(),
        source=source,
        type=event.TYPE,
        subject=event.run.id,
        time=datetime.fromtimestamp(now / 1000, UTC),
        traceparent=traceparent,
        data=event,
    )


def to_entry(envelope: CloudEvent[Event]) -> dict[str, str]:
    """Fields of the stream entry."""
    fields = {
        "ce_id": envelope.id,
        "ce_type": envelope.type,
        "ce_source": envelope.source,
        "ce_subject": envelope.subject,
        "ce_time": envelope.time.isoformat(),
    }
    if envelope.traceparent:
        fields["traceparent"] = envelope.traceparent
    return fields | envelope.data.flat() | {"ce": envelope.model_dump_json(exclude_none=True)}


_ENVELOPES: dict[type[Event], Any] = {event: CloudEvent[event] for event in EVENTS}  # type: ignore[valid-type] # known at run time only
_TYPES = {event.TYPE: event for event in EVENTS}


def _envelope(kind: type[E]) -> type[CloudEvent[E]]:
    found: type[CloudEvent[E]] = _ENVELOPES[kind]
    return found


def from_entry(kind: type[E], fields: Mapping[str, str] | Mapping[bytes, bytes]) -> CloudEvent[E]:
    """The event of a stream entry as redis-py gives it, with or without decoded responses.

    Raises UnreadableEntryError if `ce` is missing, is no CloudEvent, or holds another type.
    """
    document = fields.get("ce", fields.get(b"ce"))  # type: ignore[call-overload] # either kind of key
    if document is None:
        raise UnreadableEntryError("the entry has no field ce")
    try:
        envelope = _envelope(kind).model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "ce"
        raise UnreadableEntryError(f"{where}: {first['msg']}") from error
    if envelope.type != kind.TYPE:
        raise UnreadableEntryError(f"type is {envelope.type}, expected {kind.TYPE}")
    return envelope


def kind_of(type_name: str) -> type[Event]:
    """The class of a CloudEvents type. Raises UnreadableEntryError for one that is not ours."""
    try:
        return _TYPES[type_name]
    except KeyError:
        raise UnreadableEntryError(f"unknown event type {type_name}") from None
