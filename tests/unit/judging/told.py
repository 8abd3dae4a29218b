"""An assessment as it is published: its plain dictionaries as JSON, read back as models."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter
from serinus_contracts.events import Finding, MetricVerdict, Traffic
from serinus_judging.assessment import Assessment

_METRICS = TypeAdapter(tuple[MetricVerdict, ...])
_FINDINGS = TypeAdapter(tuple[Finding, ...])
_TRAFFIC: TypeAdapter[Traffic | None] = TypeAdapter(Traffic | None)


@dataclass(frozen=True)
class Told:
    """All of the assessment's fields, and what follows as models."""

    assessment: Assessment

    def __getattr__(self, name: str) -> Any:
        return getattr(self.assessment, name)

    @property
    def sentence(self) -> str:
        return self.assessment.sentence

    @cached_property
    def metrics(self) -> tuple[MetricVerdict, ...]:
        return _METRICS.validate_json(written(self.assessment.metrics))

    @cached_property
    def traffic(self) -> Traffic | None:
        return _TRAFFIC.validate_json(written(self.assessment.traffic))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return _FINDINGS.validate_json(written(self.assessment.findings))


def written(fields: object) -> str:
    """JSON, which has no numbers but finite ones."""
    return json.dumps(fields, allow_nan=False)
