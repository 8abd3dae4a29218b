"""Whatever stands in a manifest, a policy comes of it or an error that names the place, never a traceback."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from serinus.import_.convert import Imported, convert
from serinus.import_.manifests import read
from serinus_contracts.policy import CanaryPolicy
from serinus_runtime.documents import DocumentError, Problem

METRIC: dict[str, Any] = {
    "name": "woven", "interval": "30s", "initialDelay": "1m", "count": 5, "failureLimit": 1, "inconclusiveLimit": 1,
    "consecutiveErrorLimit": 4, "consecutiveSuccessLimit": 0, "successCondition": "result[0] > {{args.least}}",
    "failureCondition": "result[0] < 0.1",
    "provider": {"prometheus": {"address": "http://m:9090", "query": 'woven{of="{{args.of}}"}', "timeout": 5}},
}  # fmt: skip
ANALYSIS: dict[str, Any] = {
    "templates": [{"templateName": "warp"}, {"templateName": "weft", "clusterScope": True}],
    "args": [{"name": "of", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['of']"}}}],
    "dryRun": [{"metricName": "w.*"}], "measurementRetention": [{"metricName": ".*", "limit": 5}],
}  # fmt: skip
CANARY: dict[str, Any] = {
    "analysis": ANALYSIS | {"startingStep": 2, "dryRun": []},
    "trafficRouting": {"nginx": {"stableIngress": "loom"}, "maxTrafficWeight": 200},
    "steps": [
        {"setWeight": 20}, {"pause": {"duration": "300"}}, {"analysis": ANALYSIS}, {"setWeight": 60},
        {"analysis": ANALYSIS}, {"pause": {"duration": 60}}, {"pause": {}}, {"setCanaryScale": {"weight": 10}},
    ],
}  # fmt: skip
DOCUMENTS: list[Any] = [
    {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
     "metadata": {"name": "loom", "namespace": "mill", "labels": {"of": "wool"}},
     "spec": {"strategy": {"canary": CANARY}}},
    {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "warp"},
     "spec": {"args": [{"name": "of"}, {"name": "least", "value": "0.9"}], "metrics": [METRIC]}},
    {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "ClusterAnalysisTemplate", "metadata": {"name": "weft"},
         "spec": {"args": [{"name": "of"}], "dryRun": [], "metrics": [
             METRIC | {"name": "weft", "successCondition": "result[0] > 1"}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "loom"}},
    ]},
]  # fmt: skip

KEYS = st.sampled_from(["metrics", "name", "value", "duration", "kind", "items", "templateName", "prometheus", "steps"])
TEXTS = st.sampled_from(
    ["{{args.of}}", "{{", "300", "-5m", "*-x", "(", "10:30", "List", "1e400", "", "weft", "\x85", "ſ"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.integers(10**30, 10**31) | st.text(max_size=8) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*above, key))


def imported(documents: list[Any]) -> Imported:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifests.yaml"
        file.write_text("\n---\n".join(json.dumps(document) for document in documents))
        return convert(read([file]), "guard")


def test_the_manifests_that_the_others_are_made_of_are_imported_whole() -> None:
    made = imported(DOCUMENTS)
    assert made.report.lost == []
    assert [metric["name"] for metric in made.policy["spec"]["metrics"]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([place for place in places(DOCUMENTS) if len(place) > 1]), ANY), max_size=2))
def test_random_json_in_any_field_gives_a_policy_or_an_error_that_names_its_place(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    documents = deepcopy(DOCUMENTS)
    for place, value in changes:
        inside: Any = documents
        try:
            for key in place[:-1]:
                inside = inside[key]
            inside[place[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue  # the first change took that place away
    problems: Sequence[Problem] = ()
    try:
        made = imported(documents)
        CanaryPolicy.model_validate(made.policy)
        problems = made.report.lost
    except DocumentError as error:
        problems = error.problems
    assert all(problem.line or "exactly one Rollout" in problem.message for problem in problems)
