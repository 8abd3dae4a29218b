"""How the series of a source are told apart: by the run's pods, or by a service per arm."""

import re
from dataclasses import dataclass, replace

from serinus_contracts import ArmRule, Run
from serinus_contracts.metric import SourceRule
from serinus_contracts.period_stores import STORES
from serinus_contracts.selector import Matcher

from serinus_rollouts.instrumentations import preset_names
from serinus_rollouts.metric_names import ISTIO, Matchers, MetricNames
from serinus_rollouts.rollout import PingPong

# What Kubernetes draws names from, for hashes of templates and for pods: no vowels, so few words look like a hash.
DRAWN = "[bcdfghjklmnpqrstvwxz2456789]"


@dataclass(frozen=True)
class SeriesScope:
    """How the arms' series are found: `among` narrows a query to them, `arms` tells them apart.

    `past` narrows it to pods of every revision but the canary's: yesterday's stable revision need not be today's.
    None where the source knows no pods.
    """

    arms: tuple[ArmRule, ...]
    among: Matchers
    past: Matchers | None


def naming(source: SourceRule, metric: str | None = None) -> MetricNames:
    """What the metrics of a source are called; `metric` is the name that a policy gives one of them."""
    if source.preset == "istio" and source.canary is not None:
        # The client's side saw what no pod answered, and it is the only one to be asked: else requests count twice.
        return replace(ISTIO, extra_matchers=(Matcher(label="reporter", value="source"),))
    return preset_names(source.preset, metric)


def counts(source: SourceRule, run: Run) -> SeriesScope:
    """How series of counts are found."""
    return without_excluded(_counts(source, run), source)


def without_excluded(way: SeriesScope, source: SourceRule) -> SeriesScope:
    """The same without the series that the source leaves out."""
    if source.exclude is None:
        return way
    kept = tuple(matcher.negated for matcher in source.exclude.matchers)
    return replace(way, among=(*way.among, *kept), past=None if way.past is None else (*way.past, *kept))


def in_their_roles(source: SourceRule, services: PingPong | None) -> SourceRule:
    """The source with the Services as they serve canary and stable now. Raises ValueError if that is not known."""
    named = source.canary, source.stable
    if services is None or source.canary is None or named == services.fixed:
        return source
    if {*named} != {services.canary, services.stable}:
        raise ValueError(
            f"source tells the arms apart by {source.canary} and {source.stable}, but Argo exchanges the Services of "
            f"pingPong, {services.canary} and {services.stable}: name these two, or use a source by pod"
        )
    return source.model_copy(update={"canary": services.canary, "stable": services.stable})


def _counts(source: SourceRule, run: Run) -> SeriesScope:
    if source.preset == "ingress-nginx":
        return _by_ingress(source, run)
    if source.preset == "service-label":
        return _by_service_or_pod(source, run)
    if source.preset in STORES:
        return _of_store(source, run)
    if source.canary is not None and source.stable is not None:
        return _by_service(source, run, source.canary, source.stable)
    pods = _pods(run, _pod_label(source))
    scope = _namespace(source, run, "namespace")
    past = (*scope, *_of_the_past(pods, run))
    if source.preset == "pod-hash":
        hashes = _hashes(run, source.label)
        carries = Matcher(label=hashes.label, op="!=", value="")
        return SeriesScope((hashes, pods), (*scope, _either(hashes)), (carries, *past))
    return SeriesScope((pods,), (*scope, _either(pods)), past)


def gauges(source: SourceRule, run: Run) -> SeriesScope:
    """How a value per pod is found: by the pod, whatever tells counts apart."""
    scope = _namespace(source, run, "namespace") if _knows_pods(source) else _in_namespace(run)
    pods = _pods(run, _pod_label(source))
    return SeriesScope((pods,), (*scope, _either(pods)), None)


def containers(run: Run) -> SeriesScope:
    """How what the container runtime tells is found: it has labels of its own."""
    pods = _pods(run, "pod")
    return SeriesScope((pods,), (*_in_namespace(run), _either(pods)), None)


def _knows_pods(source: SourceRule) -> bool:
    return source.preset != "ingress-nginx" and (source.canary is None or source.preset == "service-label")


def _pod_label(source: SourceRule) -> str:
    by_pod = _knows_pods(source) and source.preset not in ("pod-hash", "service-label")
    return source.label if by_pod and source.label else "pod"


def _namespace(source: SourceRule, run: Run, usual: str) -> Matchers:
    label = usual if source.namespace_label is None else source.namespace_label
    return (Matcher(label=label, value=run.namespace),) if label else ()


def _in_namespace(run: Run) -> Matchers:
    return (Matcher(label="namespace", value=run.namespace),)


def _pods(run: Run, label: str) -> ArmRule:
    prefix = re.escape(run.name)
    return ArmRule(
        label=label,
        canary=f"{prefix}-{re.escape(run.canary_hash)}-.*",
        stable=f"{prefix}-{re.escape(run.stable_hash)}-.*",
    )


def _hashes(run: Run, label: str | None = None) -> ArmRule:
    return ArmRule(
        label=label or "rollouts_pod_template_hash",
        canary=re.escape(run.canary_hash),
        stable=re.escape(run.stable_hash),
    )


def _of_the_past(pods: ArmRule, run: Run) -> Matchers:
    return (
        Matcher(label=pods.label, op="=~", value=f"{re.escape(run.name)}-{DRAWN}{{5,10}}-{DRAWN}{{5}}"),
        Matcher(label=pods.label, op="!~", value=pods.canary),
    )


def _by_service_or_pod(source: SourceRule, run: Run) -> SeriesScope:
    """Argo leaves the canary Service on old pods until new ones are available: where a series says which pod it
    comes from, the pod decides."""
    scope, pods = _namespace(source, run, "namespace"), _pods(run, "pod")
    services = ArmRule(
        label=source.label or "service",
        canary=re.escape(source.canary or ""),
        stable=re.escape(source.stable or ""),
    )
    of_stable = Matcher(label=services.label, value=source.stable or "")
    past = (of_stable, *scope, *_of_the_past(pods, run))
    return SeriesScope((_hashes(run), pods, services), (*scope, _either(services)), past)


def _of_store(source: SourceRule, run: Run) -> SeriesScope:
    """One tag or dimension tells the arms apart; which pod counted is not known."""
    by_hash = _hashes(run, source.label)
    named = source.canary is not None and source.stable is not None
    arms = by_hash.model_copy(
        update={"canary": re.escape(source.canary or ""), "stable": re.escape(source.stable or "")} if named else {}
    )
    # A hash is the same in each namespace that has the template.
    return SeriesScope((arms,), _namespace(source, run, "kube_namespace" if source.preset == "datadog" else ""), None)


def _by_service(source: SourceRule, run: Run, canary: str, stable: str) -> SeriesScope:
    """The series come from a proxy, whose pods are not the run's."""
    label, namespace_label, pattern, whole = _SERVICES[source.preset]

    def named(service: str) -> str:
        # What cannot be the name of a Service is what the proxy itself calls it.
        if not pattern or any(mark in service for mark in whole):
            return re.escape(service)
        return pattern.format(namespace=re.escape(run.namespace), service=re.escape(service))

    services = ArmRule(label=source.label or label, canary=named(canary), stable=named(stable))
    return SeriesScope((services,), (*_namespace(source, run, namespace_label), _either(services)), None)


# Label, namespace's label, how a Service is named, and what a name holds that the proxy gave.
_SERVICES = {
    "istio": ("destination_service_name", "destination_service_namespace", "", ""),
    "traefik": ("service", "", "{namespace}-{service}-[^-@]+@kubernetes(crd)?", "@"),
    "envoy": ("envoy_cluster_name", "", "", ""),
    "contour": ("envoy_cluster_name", "", "{namespace}_{service}_[0-9]+", "_/"),
    "haproxy": ("proxy", "", "({namespace}_(svc_)?{service}_[^_]+|{service})", "_"),
}


def _by_ingress(source: SourceRule, run: Run) -> SeriesScope:
    """`canary` names the upstream that answered instead of the Ingress' own; it is empty for stable."""
    arms = ArmRule(label="canary", canary=".+", stable="")
    # The labels that a scrape sets go before the controller's own, which become exported_.
    scope = _namespace(source, run, "exported_namespace")
    return SeriesScope((arms,), (*scope, Matcher(label="ingress", value=source.ingress or "")), None)


def _either(rule: ArmRule) -> Matcher:
    return Matcher(label=rule.label, op="=~", value=f"{rule.canary}|{rule.stable}")
