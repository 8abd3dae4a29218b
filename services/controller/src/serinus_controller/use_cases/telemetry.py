"""What the controller shows of its work as metrics."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from serinus_controller.domain.decide import ACTIONS


class Telemetry:
    """Metrics of decisions, runs and leadership."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter("serinus_decisions", "decisions told", ["action", "state"], registry=registry)
        for action in ACTIONS:
            self.decisions.labels(action, "failed")  # an alert sees the first one only if it was 0 before
        self.is_leader = Gauge("serinus_is_leader", "1 while this controller leads", registry=registry)
        self.live = Gauge("serinus_runs_live", "runs under way that are to be judged", registry=registry)
        self.silent = Gauge("serinus_runs_silent", "live runs whose verdicts have stopped", registry=registry)
        self.longest_hold = Gauge(
            "serinus_longest_hold_seconds",
            "how long the run that is held longest has been held for its present reason",
            ["namespace"],
            registry=registry,
        )
        self.plans_refused = Counter(
            "serinus_plans_refused", "plans that were read back from Redis and not gone on with", registry=registry
        )
        self.oldest_act = Gauge(
            "serinus_oldest_act_seconds", "age of the oldest act that is not confirmed yet", registry=registry
        )

    def show(self, live: int, silent: int, holds: Mapping[str, float], oldest_act: float) -> None:
        """`holds`: seconds of the longest hold by namespace; `oldest_act`: its age in seconds, 0 for none."""
        self.live.set(live)
        self.silent.set(silent)
        self.longest_hold.clear()
        for namespace, seconds in holds.items():
            self.longest_hold.labels(namespace).set(seconds)
        self.oldest_act.set(oldest_act)

    def resign(self) -> None:
        """Reset what only a leader knows."""
        for gauge in (self.is_leader, self.live, self.silent, self.oldest_act):
            gauge.set(0)
        self.longest_hold.clear()
