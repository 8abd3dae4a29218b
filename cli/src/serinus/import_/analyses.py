"""An analysis of the Rollout with the templates that it refers to, and what makes Argo refuse it as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serinus_contracts import regex
from serinus_runtime.documents import DocumentError, Location, Problem

from serinus.import_.arguments import NotExpressibleError, Value, declared, put_in, values
from serinus.import_.manifests import Manifest, Manifests
from serinus.import_.parts import Analysis, NameRule, Ref, Template
from serinus.import_.report import ImportReport

_REFUSES = "Argo refuses this analysis"


@dataclass(frozen=True)
class Resolved:
    """Templates with the manifests they stand in, arguments by name, patterns of the metrics that are dry runs."""

    templates: Sequence[tuple[Manifest, Template]]
    arguments: Mapping[str, Value]
    dry: Sequence[str]

    def name(self, raw: Mapping[str, object], index: int) -> str:
        """A metric's name with the arguments put in, or what stands for it."""
        try:
            return str(put_in(raw.get("name", f"metrics[{index}]"), self.arguments))
        except NotExpressibleError:
            return str(raw["name"])


def resolved(manifests: Manifests, analysis: Analysis, where: Location, report: ImportReport) -> Resolved | None:
    """What the analysis at `where` of the Rollout measures; None, reported as lost, if Argo would measure nothing."""
    rollout = manifests.rollout
    _extras(rollout, where, analysis, report)
    found = _templates(manifests, analysis.templates, (*where, "templates"), rollout, report, ())
    unique = list({(one.kind, one.name): (one, template) for one, template in found}.values())
    unique.sort(key=lambda pair: pair[0].kind == "ClusterAnalysisTemplate")  # the order in which Argo merges them
    if not unique:
        return None
    arguments = declared(argument for _, template in unique for argument in template.args)
    for name in {argument.name for argument in analysis.args} - set(arguments):
        report.note(f"{rollout.file}: args.{name} is declared by no template: Argo leaves it out")
    dry = [(rollout, where, analysis), *((one, ("spec",), template) for one, template in unique)]
    made = Resolved(
        unique,
        values(analysis.args, arguments, rollout.body),
        [rule.metricName for _, _, part in dry for rule in part.dryRun],
    )
    names = {made.name(raw, i) for _, template in unique for i, raw in enumerate(template.metrics)}
    refused = [*_differing(unique), *_unresolved(rollout, where, analysis, unique), *_same_names(made)]
    refused += _unmatched("dryRun", [(one, at, part.dryRun) for one, at, part in dry], names)
    kept = [(one, at, part.measurementRetention or ()) for one, at, part in dry]
    refused += _unmatched("measurementRetention", kept, names)
    report.lose(*refused)
    return None if refused else made


def _templates(
    manifests: Manifests,
    refs: tuple[Ref, ...],
    where: Location,
    by: Manifest,
    report: ImportReport,
    above: tuple[tuple[str, str], ...],
) -> Iterator[tuple[Manifest, Template]]:
    """The templates that are referred to, also by one another."""
    for index, ref in enumerate(refs):
        kind = "ClusterAnalysisTemplate" if ref.clusterScope else "AnalysisTemplate"
        key = (kind, ref.templateName)
        manifest = manifests.templates.get(key)
        if manifest is None or key in above:
            why = "refers to itself" if manifest else "is in none of the files"
            report.lose(by.problem((*where, index), f"{kind} {ref.templateName} {why}"))
            continue
        report.used.add(manifest.name)
        try:
            template = manifest.checked(Template, manifest.part("spec"), ("spec",))
        except DocumentError as error:
            report.lose(*error.problems)
            continue
        if not template.metrics and not template.templates:
            report.lose(manifest.problem(("spec", "metrics"), f"{kind} {manifest.name} has no metrics"))
        _extras(manifest, ("spec",), template, report)
        yield manifest, template
        yield from _templates(
            manifests, template.templates, ("spec", "templates"), manifest, report, (*above, key)
        )  # fmt: skip


def _extras(manifest: Manifest, where: Location, analysis: Analysis, report: ImportReport) -> None:
    for name in analysis.model_extra or {}:
        report.lose(manifest.problem((*where, name), f"{name} is not known here and was left out"))
    if analysis.measurementRetention is not None:
        report.note(f"{manifest.file}: measurementRetention is left out: every verdict stays in its stream")
    if analysis.analysisRunMetadata is not None:
        report.note(f"{manifest.file}: analysisRunMetadata is left out: Serinus creates no AnalysisRun")


def _differing(templates: Sequence[tuple[Manifest, Template]]) -> Iterator[Problem]:
    first: dict[str, tuple[str, str]] = {}
    for manifest, template in templates:
        for index, argument in enumerate(template.args):
            if argument.value is None:
                continue
            value, other = first.setdefault(argument.name, (argument.value, manifest.name))
            if value != argument.value:
                text = (
                    f"{_REFUSES}: Argument `{argument.name}` specified multiple times with different values: "
                    f"{value!r} in {other}, {argument.value!r} in {manifest.name}"
                )
                yield manifest.problem(("spec", "args", index), text)


def _unresolved(
    rollout: Manifest, where: Location, analysis: Analysis, templates: Sequence[tuple[Manifest, Template]]
) -> Iterator[Problem]:
    given = {argument.name for argument in analysis.args}
    arguments = declared(argument for _, template in templates for argument in template.args)
    for name, argument in arguments.items():
        if argument.value is None and not argument.valueFrom and name not in given:
            text = f"{_REFUSES}: args.{name} was not resolved: its templates declare it and nobody gives it a value"
            yield rollout.problem(where, text)


def _same_names(found: Resolved) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for manifest, template in found.templates:
        for index, raw in enumerate(template.metrics):
            name = found.name(raw, index)
            if name in first:
                text = f"{_REFUSES}: two metrics have the same name {name!r}, in {first[name]} and in {manifest.name}"
                yield manifest.problem(("spec", "metrics", index), text)
            first.setdefault(name, manifest.name)


def _unmatched(
    key: str, asked: Sequence[tuple[Manifest, Location, tuple[NameRule, ...]]], names: set[str]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for manifest, at, rules in asked:
        for index, rule in enumerate(rules):
            pattern, text = rule.metricName, ""
            try:
                if not any(regex.found(pattern, name) for name in names):
                    text = f"{pattern!r} matches no metric; there are {', '.join(sorted(names))}"
            except ValueError as error:
                text = f"{error}; .* matches every metric"
            if pattern in seen:
                text = f"{pattern!r} is given twice"
            seen.add(pattern)
            if text:
                yield manifest.problem((*at, key, index, "metricName"), f"{_REFUSES}: {key}: {text}")
