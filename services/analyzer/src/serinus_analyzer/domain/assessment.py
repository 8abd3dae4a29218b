"""What a judge says after one look: all of a verdict that does not depend on the looks before."""

from dataclasses import dataclass

from serinus_contracts.events import MetricVerdict, Reason, Traffic, Verdict


@dataclass(frozen=True)
class Assessment:
    """The judgement of one look; the service adds what it knows of the chain of looks and publishes it.

    missing: metrics without usable counts in this look; resets: counter resets in it; newest: time of the newest
    sample (ms); exposed: requests that the canary has served in judged windows, over the run.
    """

    verdict: Verdict
    reason: Reason
    sentence: str
    metrics: tuple[MetricVerdict, ...]
    blame: tuple[str, ...]
    log_abort: float
    missing: tuple[str, ...]
    resets: int
    newest: int | None
    exposed: int
    calibrated: bool
    traffic: Traffic | None = None
