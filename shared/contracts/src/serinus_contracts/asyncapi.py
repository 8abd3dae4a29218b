"""The AsyncAPI 3.0 document of the streams: who tells what, where, and in which fields of an entry.

AsyncAPI's binding for Redis is empty, so what a reader of a stream needs stands in `x-redis`.
"""

import inspect
from typing import Any

from serinus_contracts.envelope import EVENTS
from serinus_contracts.events import (
    CommandIssued,
    DecisionTaken,
    Event,
    MetricsCollected,
    RolloutObserved,
    VerdictReached,
)
from serinus_contracts.streams import ANALYZER_GROUP, Keys

_PUBLISHED_BY: dict[type[Event], str] = {
    RolloutObserved: "controller",
    MetricsCollected: "collector",
    VerdictReached: "analyzer",
    DecisionTaken: "controller",
    CommandIssued: "console, or serinus on the command line",
}
_GROUPS = {
    "snapshots": [ANALYZER_GROUP],
    "verdicts": ["controller:{cluster}"],
    "commands": ["controller:{cluster}"],
}
_FIELDS = ("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "traceparent", "run", "ce")


def asyncapi() -> dict[str, Any]:
    """The document; its payloads refer to the JSON Schemas beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Serinus streams",
            "version": "1",
            "description": "CloudEvents 1.0 on Redis streams. The field `ce` of an entry is the whole event as "
            "structured JSON; the other fields are copies for filters. An id is deterministic: a repeat is recognised "
            "by source and id. The tag in braces is a setting (SERINUS_REDIS_TAG).",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"redis": {"host": "redis:6379", "protocol": "redis"}},
        "channels": {event.STREAM: _channel(event) for event in EVENTS},
        "operations": {event.STREAM: _operation(event) for event in EVENTS},
        "components": {"messages": {event.__name__: _message(event) for event in EVENTS}},
    }


def _channel(event: type[Event]) -> dict[str, Any]:
    redis: dict[str, Any] = {"type": "stream", "trimmed": "about, to SERINUS_STREAM_MAXLEN entries"}
    return {
        "address": Keys().stream(event.STREAM),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "x-redis": redis | {"groups": _GROUPS.get(event.STREAM, [])},
    }


def _operation(event: type[Event]) -> dict[str, Any]:
    """For subscribers; published by the service that `x-published-by` names."""
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{event.STREAM}"},
        "summary": _summary(event),
        "x-published-by": _PUBLISHED_BY[event],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    text = {"type": "string"}
    attributes = dict.fromkeys(("id", "source", "subject", "traceparent"), text)
    attributes |= {"specversion": {"const": "1.0"}, "type": {"const": event.TYPE}}
    attributes |= {"time": {"type": "string", "format": "date-time"}, "datacontenttype": {"const": "application/json"}}
    return {
        "name": event.TYPE,
        "summary": _summary(event),
        "headers": {"type": "object", "properties": dict.fromkeys(_FIELDS, text)},
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
            "properties": attributes | {"data": {"$ref": f"./{event.TYPE}.json"}},
        },
    }


def _summary(event: type[Event]) -> str:
    return inspect.getdoc(event) or event.__name__
