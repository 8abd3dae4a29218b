"""A first policy of what a Prometheus has: which labels split the arms, and which of the presets' metrics are there."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from math import inf

import yaml
from serinus_collector.use_cases.ports import Provider
from serinus_contracts import Selector
from serinus_contracts.base import Millis
from serinus_contracts.selector import is_name, name_text
from serinus_contracts.weight import weight_text
from serinus_counting.series import Series
from serinus_judging.sequential.bucket_reach import bucket_reach
from serinus_rollouts.resolve import LATENCY_MARGIN
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.sources import STATUS_LABELS
from serinus_rollouts.stages import ADD_STEPS, NOTHING_TO_JUDGE, pause_before_the_first_weight, stages

REACH_MS = 300_000
COUNTERS = "http_requests_total"
HISTOGRAM = "http_request_duration_seconds_bucket"
MEMORY = "container_memory_usage_bytes"


def plain(text: str) -> str:
    """The text as a YAML value: quoted where it could be read as something else, such as 123, on or 1e3."""
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]+", text) is not None and yaml.safe_load(text) == text
    return text if is_word else yaml.safe_dump(text, default_style='"', width=inf, allow_unicode=True).rstrip("\n")


async def series_of(provider: Provider, name: str, now: Millis) -> Sequence[Series]:
    """All series of a metric in the last minutes. Raises ProviderError."""
    return (await provider.samples(Selector(name=name), now, REACH_MS)).read().series


def source(series: Sequence[Series], seen: RolloutView, services: tuple[str, str]) -> list[str] | None:
    """Lines of the policy's `source` by which these series can be split; None if nothing tells the arms."""
    prefix = f"{seen.name}-{seen.stable_hash or seen.current_hash}-"
    ours = [one.labels for one in series]

    def label_where(wanted: str, whole: bool) -> str | None:
        for labels in ours:
            for label, value in labels.items():
                if is_name(label) and (value == wanted if whole else value.startswith(wanted)):
                    return label
        return None

    if pod := label_where(prefix, whole=False):
        kind, options = "pod-name", [] if pod == "pod" else [f"label: {plain(name_text(pod))}"]
    elif hashed := label_where(seen.stable_hash or seen.current_hash, whole=True):
        kind, options = (
            "pod-hash",
            [] if hashed == "rollouts_pod_template_hash" else [f"label: {plain(name_text(hashed))}"],
        )
    elif all(services) and (service := label_where(services[1], whole=True)):
        kind = "service-label"
        options = [f"canary: {plain(services[0])}", f"stable: {plain(services[1])}"]
        options += [] if service == "service" else [f"label: {plain(name_text(service))}"]
    else:
        return None
    if not any(labels.get("namespace") == seen.namespace for labels in ours):
        options.append('namespaceLabel: ""')
    return [f"preset: {kind}", *options]


def histogram(cumulative: Iterable[tuple[str, int]]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Edges and counts per bucket, one more, of what series with the label `le` counted."""
    total: dict[float, int] = defaultdict(int)
    for le, number in cumulative:
        with suppress(ValueError):
            total[float(le)] += number
    bounds = sorted(total)
    if not bounds or bounds[-1] != inf:
        return (), ()
    # series of which one was born or reset in between may not grow with their bounds
    rising = list(accumulate((total[bound] for bound in bounds), max))
    return tuple(bounds[:-1]), tuple(after - before for before, after in pairwise((0, *rising)))


def _coarse(series: Sequence[Series]) -> list[str]:
    """What the buckets cannot show of the margin that a latency has unless another is written."""
    grown = [(one.labels.get("le", ""), round(max(one.values[-1] - one.values[0], 0))) for one in series if one.values]
    edges, counts = histogram(grown)
    if not sum(counts):
        return []
    reach = bucket_reach(edges, counts, LATENCY_MARGIN.ratio)
    return [] if reach.exact else [f"latency: {reach.text}; {reach.fix}"]


async def write(provider: Provider, seen: RolloutView, services: tuple[str, str], now: Millis) -> tuple[str, list[str]]:
    """The policy as YAML, and what a person has to know or to do. Raises ProviderError."""
    notes = []
    requests, latency, memory = [await series_of(provider, name, now) for name in (COUNTERS, HISTOGRAM, MEMORY)]
    split = source([*requests, *latency], seen, services)
    adapt = ""
    if split is None:
        adapt = "  # adapt: which label tells canary from stable?"
        notes.append(f"no series of {COUNTERS} or {HISTOGRAM} names the pods, hashes or services of {seen.key}")
        split = ["preset: pod-name"]
    metrics = []
    labels = {label for one in requests for label in one.labels}
    if requests and labels & set(STATUS_LABELS):
        metrics.append("{name: errors, preset: http-errors, critical: true}")
    else:
        lacks = f"{COUNTERS} has no label {', '.join(STATUS_LABELS)}" if requests else f"there is no {COUNTERS}"
        notes.append(f"{lacks}: errors are written as an example, give your own events and trials")
        example = "events: 'errors_total', trials: 'requests_total'"
        metrics.append(f"{{name: errors, {example}, critical: true}}  # adapt")
    if latency:
        metrics.append("{name: latency, preset: http-latency, critical: true}")
        notes += _coarse(latency)
    else:
        notes.append(f"there is no {HISTOGRAM}: latency is not judged; name yours by histogram")
    if any(one.labels.get("pod", "").startswith(f"{seen.name}-") for one in memory):
        metrics.append("{name: memory, preset: container-memory}")
    found = stages(seen.steps)
    if not found:
        notes.append(f"{seen.key} {NOTHING_TO_JUDGE}; {ADD_STEPS}")
    elif not any(stage.gates for stage in found):
        notes.append("the Rollout has no `pause: {}`: verdicts could only abort, never advance")
    if paused := pause_before_the_first_weight(seen):
        notes.append(paused)
    weights = ", ".join(weight_text(stage.weight) for stage in found)
    lines = [
        "apiVersion: serinus.dev/v1alpha1",
        "kind: CanaryPolicy",
        f"metadata: {{name: {plain(seen.name)}}}",
        "spec:",
        f"  match: {{namespace: {plain(seen.namespace)}, name: {plain(seen.name)}}}",
        "  mode: shadow          # says what it would do, and does nothing; then guard (abort only), then enforce",
        "  interval: 30s",
        f"  minimum: 5m           # of each stage: {weights or 'the Rollout has no setWeight yet'}",
        "  maximum: 1h",
        f"  source: {{{', '.join(split)}}}{adapt}",
        "  metrics:",
        *(f"  - {metric}" for metric in metrics),
    ]
    return "\n".join(lines) + "\n", notes
