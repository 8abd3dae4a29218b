"""Serinus' contracts: everything that crosses a process boundary, as pydantic models and nothing else."""

from serinus_contracts.envelope import CloudEvent, UnreadableEntryError, from_entry, kind_of, seal, to_entry
from serinus_contracts.events import (
    Channel,
    CommandIssued,
    Counts,
    DataQuality,
    DecisionTaken,
    Distribution,
    Event,
    Measurement,
    MetricsCollected,
    MetricVerdict,
    Pod,
    Proportion,
    RolloutObserved,
    Run,
    VerdictReached,
    Window,
)
from serinus_contracts.plan import AnalysisPlan, ArmRule, Bucketed, Counted, PlanLimit, PlanMetric, PlanStage
from serinus_contracts.policy import CanaryPolicy, Margin
from serinus_contracts.selector import Matcher, Selector
from serinus_contracts.streams import STREAMS, Keys

__all__ = [
    "STREAMS",
    "AnalysisPlan",
    "ArmRule",
    "Bucketed",
    "CanaryPolicy",
    "Channel",
    "CloudEvent",
    "CommandIssued",
    "Counted",
    "Counts",
    "DataQuality",
    "DecisionTaken",
    "Distribution",
    "Event",
    "Keys",
    "Margin",
    "Matcher",
    "Measurement",
    "MetricVerdict",
    "MetricsCollected",
    "PlanLimit",
    "PlanMetric",
    "PlanStage",
    "Pod",
    "Proportion",
    "RolloutObserved",
    "Run",
    "Selector",
    "UnreadableEntryError",
    "VerdictReached",
    "Window",
    "from_entry",
    "kind_of",
    "seal",
    "to_entry",
]
