"""A verdict written from plain dictionaries: a model of it would be made, looked through and thrown away at every
evaluation. What is written is what `VerdictReached` reads; its tests hold that (docs/adr/0111)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import to_json

from serinus_contracts.base import Contract, Millis, shortened
from serinus_contracts.events import (
    Channel,
    Finding,
    MetricVerdict,
    Reason,
    Run,
    SegmentVerdict,
    Verdict,
    VerdictReached,
)

Fields = Mapping[str, Any]


class WrittenVerdict(NamedTuple):
    """A verdict in JSON, and of it what its publisher tells besides."""

    run: Run
    end: Millis
    verdict: Verdict
    reason: Reason
    sentence: str
    changed: bool
    data: bytes

    @property
    def event_id(self) -> str:
        """As `VerdictReached.event_id`."""
        return f"{self.run.id}:{self.end}"

    def to_entry(self, *, source: str, now: Millis, traceparent: str | None = None) -> dict[str, str | bytes]:
        """As `envelope.to_entry`, sealed."""
        time, run = datetime.fromtimestamp(now / 1000, UTC).isoformat(), self.run.id
        traced = {"traceparent": traceparent} if traceparent else {}
        envelope = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": source,
            "type": VerdictReached.TYPE,
            "subject": run,
            "time": time.replace("+00:00", "Z"),
            "datacontenttype": "application/json",
        }
        return {
            "ce_id": self.event_id,
            "ce_type": VerdictReached.TYPE,
            "ce_source": source,
            "ce_subject": run,
            "ce_time": time,
            **traced,
            "run": run,
            "end": str(self.end),
            "verdict": self.verdict,
            "reason": self.reason,
            "ce": to_json(envelope | traced)[:-1] + b',"data":' + self.data + b"}",
        }


def written(verdict: Fields) -> WrittenVerdict:
    """What stands in the fields of a `VerdictReached`: `run` is one, all else plain.

    Raises ValueError for what no verdict may hold.
    """
    sentence = shortened(verdict["sentence"])
    told = {name: value for name, value in verdict.items() if value is not None} | {
        "sentence": sentence,
        "metrics": [_metric(one) for one in verdict["metrics"]],
        "findings": [_finding(one) for one in verdict["findings"]],
        "quality": _told(verdict["quality"], frozenset()),
    }
    data = to_json(told)
    if b"NaN" in data or b"Infinity" in data:  # a number that is none, or a word in a text: the model knows which
        VerdictReached.model_validate(verdict)
    known = {name: verdict[name] for name in ("run", "end", "verdict", "reason", "changed")}
    return WrittenVerdict(**known, sentence=sentence, data=data)


def _empty(kind: type[Contract]) -> frozenset[str]:
    """Fields that say nothing while they are empty or false."""
    defaults = {name: field.default for name, field in kind.model_fields.items()}
    return frozenset(name for name, one in defaults.items() if isinstance(one, bool | str | tuple | dict) and not one)


_TEXTS = ("detail", "left_out", "text")
_EVIDENCE = ("log_eprocess", "log_eprocess_non_inferior")
_NUMBERS = ("share", "low", "high", "dispersion", "correlation", "detectable_rate", "visible_slowdown")
"""What is for people and charts alone. Edges, counts and the combined evidence are written as they are."""
DECIMALS, DIGITS = 4, 5
"""Of evidence behind the point, of other numbers in all: more nobody is shown."""


def _short(number: float) -> float:
    # To round is quicker than to format; what is 1 or more keeps as many decimals.
    return round(number, DIGITS) if abs(number) >= 0.1 else float(f"{number:.{DIGITS}g}")


def _told(fields: Fields, empty: frozenset[str]) -> dict[str, Any]:
    found = {name: value for name, value in fields.items() if value is not None and (value or name not in empty)}
    for name in _TEXTS:
        if name in found:
            found[name] = shortened(found[name])
    for name in _EVIDENCE:
        if name in found:
            found[name] = round(found[name], DECIMALS)
    for name in _NUMBERS:
        if name in found:
            found[name] = _short(found[name])
    return found


_METRIC, _CHANNEL, _FINDING, _SEGMENT = (_empty(kind) for kind in (MetricVerdict, Channel, Finding, SegmentVerdict))


def _metric(metric: Fields) -> dict[str, Any]:
    found = _told(metric, _METRIC)
    if found.get("better") == "lower":
        del found["better"]
    found["run"] = [_told(channel, _CHANNEL) for channel in metric["run"]]
    if "durations" in found:
        found["durations"] = [{name: _short(value) for name, value in one.items()} for one in found["durations"]]
    if "segments" in found:
        found["segments"] = _segments(found["segments"])
    return found


def _finding(finding: Fields) -> dict[str, Any]:
    found = _told(finding, _FINDING)
    if "values" in found:
        found["values"] = {name: _short(value) for name, value in found["values"].items()}
    return found


def _segments(segments: Iterable[Fields]) -> list[dict[str, Any]]:
    return [_told(one, _SEGMENT) | {"name": shortened(one["name"])} for one in segments]
