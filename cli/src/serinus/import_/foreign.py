"""Documents of other programs and unrendered templates: recognised, and answered with the way."""

import re
from collections.abc import Mapping
from typing import Any

_HELM = re.compile(
    r"""\{\{-?\s*(?:[.$"`(]|/\*|(?:include|template|if|else|end|range|with|define|block|tpl|printf|default|quote"""
    r"""|required|lookup|toYaml|fromYaml)\b)"""
)
UNRENDERED = "a Helm template that is not rendered yet: `helm template RELEASE CHART > rendered.yaml`, then import that"
_FLAGGER = (
    "Flagger's {kind}, which is not imported: docs/how-to/migrating.md, Coming from Flagger, has what becomes of it"
)
_KAYENTA = (
    "Kayenta's canary config, which is not imported: "
    "docs/how-to/migrating.md, Coming from Kayenta, has what becomes of it (judge kayenta)"
)
_EXPERIMENT = "an Experiment, which stays with Argo: a policy judges the canary of a Rollout; give the Rollout's file"
_RUN = "an AnalysisRun, which is one run of a template: give the Rollout and its AnalysisTemplates"
_KRUISE = "OpenKruise's {kind}: only Rollouts of Argo (argoproj.io) are imported"


def unrendered_at(text: str, start: int = 0, end: int | None = None) -> int | None:
    """Where an action of Helm stands in a part of a text, which Argo's own `{{args.name}}` is none of."""
    found = _HELM.search(text, start, len(text) if end is None else end)
    return found.start() if found else None


def way(body: Mapping[Any, Any]) -> str | None:
    """What a document of another program is, and what to do; None for one that is not known."""
    group, kind = str(body.get("apiVersion", "")), str(body.get("kind", ""))
    if group.startswith("flagger.app/"):
        return _FLAGGER.format(kind=kind)
    if group.startswith("rollouts.kruise.io/"):
        return _KRUISE.format(kind=kind)
    if kind in ("Experiment", "AnalysisRun"):
        return _EXPERIMENT if kind == "Experiment" else _RUN
    if not kind and isinstance(body.get("metrics"), list) and ("classifier" in body or "judge" in body):
        return _KAYENTA
    return None
