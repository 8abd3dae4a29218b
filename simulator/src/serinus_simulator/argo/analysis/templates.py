"""Templates: finding those that an analysis refers to, and making the spec of an AnalysisRun of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serinus_simulator.argo.analysis.arguments import AnalysisError, merged, placeholders, put_in
from serinus_simulator.argo.analysis.metrics import read_metrics
from serinus_simulator.kubernetes.kinds import ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, Object
from serinus_simulator.kubernetes.objects import ObjectStore


class TemplateError(Exception):
    """A reference that Argo refuses as an invalid spec: the value that it names, and why."""

    def __init__(self, value: str, message: str) -> None:
        super().__init__(message)
        self.value = value


def referenced(store: ObjectStore, namespace: str, references: Iterable[Object]) -> list[Object]:
    """The templates with those that they include, each once: the namespace's first. Raises TemplateError."""
    found: dict[tuple[bool, str], Object] = {}
    waiting = list(references)
    while waiting:
        reference = waiting.pop(0)
        cluster, name = bool(reference.get("clusterScope")), str(reference.get("templateName", ""))
        if (cluster, name) in found:
            continue
        kind = CLUSTER_ANALYSIS_TEMPLATES if cluster else ANALYSIS_TEMPLATES
        template = store.peek(kind, "" if cluster else namespace, name)
        if template is None:
            raise TemplateError(name, f"{kind.kind} '{name}' not found")
        found[cluster, name] = template
        waiting += (template.get("spec") or {}).get("templates") or []
    return [template for (cluster, _), template in sorted(found.items(), key=lambda item: item[0][0])]


def refers_to(analysis: Object | None, name: str) -> bool:
    """Whether an analysis names this template itself, be it the cluster's or the namespace's."""
    return any(reference.get("templateName") == name for reference in (analysis or {}).get("templates") or [])


def run_spec(templates: list[Object], analysis: Object, arguments: list[Object], version: str = "master") -> Object:
    """The spec of an AnalysisRun: metrics of all templates, arguments, dry runs. Raises AnalysisError."""
    specs = [template.get("spec") or {} for template in templates]
    metrics = [metric for spec in specs for metric in spec.get("metrics") or []]
    names = [metric.get("name") for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            raise AnalysisError(f"two metrics have the same name '{name}'")
    made: Object = {"metrics": [_written_back(metric, version) for metric in metrics]}
    if declared := merged(arguments, _declared(specs)):
        made["args"] = declared
    for part in ("dryRun", "measurementRetention"):
        if rules := [rule for source in (analysis, *specs) for rule in source.get(part) or []]:
            made[part] = rules
    return made


def check(template: Object, *, endless: bool) -> None:
    """Refuse what could not be run, and unless it may be `endless` a metric that never ends. Raises TemplateError."""
    name, spec = template["metadata"]["name"], template.get("spec") or {}
    try:
        metrics = read_metrics(put_in(spec.get("metrics") or [], placeholders(spec.get("args") or [])))
    except AnalysisError as error:
        raise TemplateError(name, f"AnalysisTemplate {name}: {error}") from None
    for metric, written in zip(metrics, spec.get("metrics") or [], strict=True):
        if metric.count is None and not endless:
            count = written.get("count")
            raise TemplateError(
                name,
                f"AnalysisTemplate {name} has metric {metric.name} which runs indefinitely. "
                f"Invalid value for count: {'<nil>' if count is None else count}",
            )


def _declared(specs: list[Object]) -> list[Object]:
    """The arguments of all templates, each name once; a value set in one must not differ in another."""
    declared: dict[str, Object] = {}
    for argument in (argument for spec in specs for argument in spec.get("args") or []):
        known = declared.setdefault(argument["name"], argument)
        if "value" not in known:
            declared[argument["name"]] = argument
        elif argument.get("value", known["value"]) != known["value"]:
            raise AnalysisError(
                f"argument `{argument['name']}` has different values: '{known['value']}', '{argument['value']}'"
            )
    return list(declared.values())


def _written_back(metric: Object, version: str) -> Object:
    """Argo writes the typed metric, and so the empty authentication that nobody wrote."""
    methods = ("oauth2", "sigv4") if version == "1.9.1" else ("basicAuth", "oauth2", "sigv4")
    provider: dict[str, Any] = dict(metric.get("provider") or {})
    for name in ("web", "prometheus"):
        if isinstance(provider.get(name), dict):
            empty: Object = {method: {} for method in methods}
            provider[name] = provider[name] | {"authentication": empty | (provider[name].get("authentication") or {})}
    return metric | {"provider": provider}
