"""Which row of the table of instrumentations a Rollout's series are of, and what a policy has to say of it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from serinus_contracts.selector import Labels, is_name, name_text
from serinus_counting.series import Series
from serinus_rollouts.instrumentations import Instrumentation, preset_names
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.sources import DRAWN

from serinus.doctor.words import plain

# Those whose series say which pod they are from, under names of their own.
_BY_POD = ("opentelemetry", "istio", "linkerd")
_BY_SERVICE = ("istio", "traefik", "envoy", "contour", "haproxy")


def with_hash(seen: RolloutView, series: Sequence[Series]) -> RolloutView:
    """A Rollout that no cluster told the hash of, with the one that most pods among the series carry."""
    if seen.stable_hash or seen.current_hash:
        return seen
    pod = re.compile(f"{re.escape(seen.name)}-({DRAWN}{{5,10}})-{DRAWN}{{5}}")
    pods = {value for one in series for value in one.labels.values()}
    found = Counter(match[1] for value in pods if (match := pod.fullmatch(value)))
    return replace(seen, stable_hash=found.most_common(1)[0][0]) if found else seen


def source(series: Sequence[Series], seen: RolloutView, services: tuple[str, str]) -> list[str] | None:
    """Lines of the policy's `source` by which an application's series can be split; None if nothing tells the arms."""
    known = seen.stable_hash or seen.current_hash
    prefix = f"{seen.name}-{known}-"
    ours = [one.labels for one in series]

    def label_where(wanted: str, whole: bool) -> str | None:
        for labels in ours:
            for label, value in labels.items():
                if is_name(label) and (value == wanted if whole else value.startswith(wanted)):
                    return label
        return None

    if known and (pod := label_where(prefix, whole=False)):
        kind, options = "pod-name", [] if pod == "pod" else [f"label: {plain(name_text(pod))}"]
    elif known and (hashed := label_where(known, whole=True)):
        kind, options = (
            "pod-hash",
            [] if hashed == "rollouts_pod_template_hash" else [f"label: {plain(name_text(hashed))}"],
        )
    elif all(services) and (service := label_where(services[1], whole=True)):
        kind = "service-label"
        options = [*_services(services), *([] if service == "service" else [f"label: {plain(name_text(service))}"])]
    else:
        return None
    return [f"preset: {kind}", *options, *_namespace(ours, seen)]


def _namespace(ours: Sequence[Labels], seen: RolloutView) -> list[str]:
    """Nothing where the label `namespace` holds it, else the label that does, or that there is none."""
    if any(labels.get("namespace") == seen.namespace for labels in ours):
        return []
    named = sorted({name for labels in ours for name, value in labels.items()
                    if value == seen.namespace and "namespace" in name and is_name(name)})  # fmt: skip
    return [f"namespaceLabel: {plain(name_text(named[0]))}" if named else 'namespaceLabel: ""']


def _services(services: tuple[str, str]) -> list[str]:
    return [f"canary: {plain(services[0])}", f"stable: {plain(services[1])}"]


def sources(
    row: Instrumentation, series: Sequence[Series], seen: RolloutView, services: tuple[str, str], ingress: str
) -> Iterator[list[str]]:
    """The ways in which a row's series could be split, the best first; that they are is seen when they are counted."""
    labels = {label for one in series for label in one.labels}
    if row.preset == "ingress-nginx":
        if ingress:
            own = [] if "exported_namespace" in labels else ["namespaceLabel: namespace"]
            yield [f"preset: {row.preset}", f"ingress: {plain(ingress)}", *own]
        return
    if row.preset not in _BY_SERVICE or row.preset in _BY_POD:
        split = source(series, seen, services)
        if split and (split[0] == "preset: pod-name" or row.preset not in _BY_POD):
            yield [f"preset: {row.preset}", *split[1:]] if row.preset in _BY_POD else split
        elif split and row.preset == "opentelemetry":
            yield split
    if row.preset in _BY_SERVICE and all(services):
        honoured = row.preset != "traefik" or "exported_service" not in labels
        yield [f"preset: {row.preset}", *_services(services), *([] if honoured else ["label: exported_service"])]


def errors(row: Instrumentation, preset: str) -> Mapping[str, str]:
    """The metric of errors under a source's preset, by the row's name where it is not the preset's own."""
    requests = row.names.requests
    named = {} if requests == preset_names(preset).requests else {"metric": plain(name_text(requests))}
    return {"name": "errors", "preset": "http-errors", **named}


def latency(row: Instrumentation, preset: str) -> Mapping[str, str]:
    """The metric of latency, in the unit of the row's histogram."""
    names, usual = row.names, preset_names(preset)
    named = {} if names.latency == usual.latency else {"metric": plain(name_text(names.latency))}
    unit = {"unit": "ms"} if names.milliseconds and not usual.milliseconds else {}
    return {"name": "latency", "preset": "http-latency", **named, **unit}
