"""What a collector tells of its own work."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram
from serinus_runtime import traces

from serinus_collecting.ports import ProviderError


class Telemetry:
    """How snapshots end, how late they are, and how long queries take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.snapshots = Counter(
            "serinus_snapshots", "snapshots by how their commit ended", ["result"], registry=registry
        )
        self.query_seconds = Histogram(
            "serinus_prometheus_query_duration_seconds", "time of one query", ["provider"], registry=registry
        )
        self.query_failures = Counter(
            "serinus_prometheus_query_failures", "queries without a usable answer", ["provider"], registry=registry
        )
        self.delay = Histogram(
            "serinus_snapshot_delay_seconds",
            "from when a snapshot was due to when a collector took it up",
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300),
            registry=registry,
        )

    @contextmanager
    def query(self, provider: str) -> Iterator[None]:
        """One query: how long it took, and whether it failed."""
        failures = self.query_failures.labels(provider)
        timed = self.query_seconds.labels(provider).time()
        with traces.span("query", provider=provider), timed, failures.count_exceptions(ProviderError):
            yield
