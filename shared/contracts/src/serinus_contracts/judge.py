"""How a policy chooses its judge, with every threshold of those that judge by rules."""

from typing import Annotated, Literal

from pydantic import Field

from serinus_contracts.base import PolicyDocument, Seconds, Share


class SequentialRule(PolicyDocument):
    """The default: e-processes on counts, valid at every evaluation."""

    name: Literal["sequential"] = "sequential"


class ScorecardRule(PolicyDocument):
    """Confidence 100 minus penalties; proceeds only without an issue and from `base - perWeight * weight` on."""

    name: Literal["scorecard"]
    base: float = 70.0
    per_weight: float = 0.5
    success_below: Share = 0.95
    success_penalty: float = 30.0
    success_ratio_below: float = 0.98
    success_ratio_penalty: float = 25.0
    latency_ratio_above: float = 1.5
    latency_penalty: float = 20.0
    conversion_ratio_below: float = 0.95
    conversion_penalty: float = 25.0
    trend_penalty: float = 15.0
    memory_above: Share = 0.85
    memory_penalty: float = 10.0
    abort_success_below: Share = 0.9
    abort_latency_above: Seconds = 5.0
    abort_memory_above: Share = 0.95


class RecommendationRule(PolicyDocument):
    """Tests, anomalies and comparisons; critical issues roll back, too little confidence holds."""

    name: Literal["recommendation"]
    significance: Share = 0.05
    minimum_samples: int = Field(100, ge=1)
    hold_below: float = 70.0
    test_penalty: float = 30.0
    anomaly_penalty: float = 25.0
    critical_penalty: float = 20.0
    warning_penalty: float = 10.0
    success_minimum: Share = 0.95
    p95_maximum: Seconds = 2.0
    p99_maximum: Seconds = 5.0
    memory_maximum: Share = 0.85
    cpu_maximum: Share = 0.8
    success_ratio_critical: float = 0.95
    success_ratio_warning: float = 0.98
    latency_ratio_critical: float = 2.0
    latency_ratio_warning: float = 1.5
    latency_ratio_rollback: float = 1.5
    conversion_ratio_critical: float = 0.9
    conversion_ratio_warning: float = 0.95


class ThresholdRule(PolicyDocument):
    """Argo Rollouts' analysis rules on metrics of kind `query`."""

    name: Literal["threshold"]


class KayentaRule(PolicyDocument):
    """Kayenta's classifier and score, on rates of snapshots."""

    name: Literal["kayenta"]
    pass_score: float = Field(95.0, ge=0, le=100, description="proceeds from here on")
    marginal_score: float = Field(75.0, ge=0, le=100, description="holds from here on, aborts below")
    tolerance: float = Field(0.25, ge=0, description="an interval beyond this share of the estimated shift fails")
    confidence: Share = Field(0.98, description="of the Mann-Whitney interval")
    outliers: Literal["keep", "remove"] = Field("keep", description="snapshots far from the others, of both sides")


JudgeRule = Annotated[
    SequentialRule | ScorecardRule | RecommendationRule | ThresholdRule | KayentaRule, Field(discriminator="name")
]
