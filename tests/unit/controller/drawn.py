"""Objects as an API server may hold them: of the types that their schema asks for, whatever the fields say."""

from typing import Any

from hypothesis import strategies as st
from serinus_contracts.crd import custom_resource_definition

Strategy = st.SearchStrategy[Any]

_TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "5xx", "1h", "30s", "-1", "NaN", "9" * 30, "{{canary_hash}}", "a" * 253]
)
_WHOLE = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 120)
_ANY = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
)
_NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True) | st.sampled_from(
    ["a" * 253, "123", "on"]
)
_LABELS = st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=63), max_size=3) | st.just(
    {f"label-{number}": "x" * 63 for number in range(500)}
)


def of_schema(schema: dict[str, Any]) -> Strategy:
    """Values that a structural schema lets pass."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            parts = {name: of_schema(part) for name, part in schema["properties"].items()}
            needed = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: parts[name] for name in needed}, optional={name: parts[name] for name in parts.keys() - needed}
            )
        case "object":
            return st.dictionaries(_TEXT, of_schema(schema.get("additionalProperties") or {}), max_size=3)
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(of_schema(schema.get("items", {})), min_size=least, max_size=least + 2)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: len(text) < 300)
        case "string":
            return _TEXT.filter(lambda text: len(text) <= schema.get("maxLength", 10**6))
        case "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
        case "number":
            low, high = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
            return st.floats(low, high, exclude_min=False, allow_nan=False) | st.integers(int(max(low, -100)), 100)
        case "boolean":
            return st.booleans()
    return _ANY


_SPEC = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
_METRICS: list[dict[str, Any]] = [
    {"name": "errors", "preset": "http-errors"},
    {"name": "latency", "preset": "http-latency"},
    {"name": "memory", "preset": "container-memory"},
    {"name": "sales", "events": "sales", "trials": "visits", "better": "higher"},
]


@st.composite
def policies(draw: st.DrawFn, namespace: str) -> dict[str, Any]:
    """A CanaryPolicy of a namespace: often one that can be used but for a field or two, and for all of it."""
    parts = _SPEC["properties"]
    spec = {
        "match": {"namespace": namespace},
        "metrics": draw(st.lists(st.sampled_from(_METRICS), min_size=1, max_size=3, unique_by=lambda one: one["name"])),
    }
    for name in draw(st.lists(st.sampled_from(sorted(parts)), max_size=2, unique=True)):
        spec[name] = draw(of_schema(parts[name]))
    metadata = {"name": draw(_NAMES), "namespace": namespace, "uid": "policy", "resourceVersion": "7", "generation": 1}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": "CanaryPolicy", "metadata": metadata, "spec": spec}


_STEPS = st.one_of(
    st.builds(lambda weight: {"setWeight": weight}, _WHOLE),
    st.builds(lambda pause: {"pause": pause}, st.just({}) | st.fixed_dictionaries({"duration": _ANY})),
    st.sampled_from([{"setCanaryScale": {"replicas": 1}}, {"setHeaderRoute": {"name": "a"}}, {"analysis": {}}, {}]),
)
_ROUTING = st.sampled_from([{}, {"nginx": {}}, {"istio": {"virtualServices": []}}]) | st.builds(
    lambda parts: {"plugins": {}, "maxTrafficWeight": parts}, _WHOLE
)
_CANARY = st.fixed_dictionaries(
    {"steps": st.lists(_STEPS, max_size=6)},
    optional={
        "trafficRouting": _ROUTING,
        "pingPong": st.fixed_dictionaries({"pingService": _TEXT, "pongService": _TEXT}),
        "canaryService": _TEXT,
    },
)
_STATUS: dict[str, Strategy] = {
    "phase": _TEXT | st.sampled_from(["Paused", "Degraded", "Healthy"]),
    "message": _TEXT,
    "observedGeneration": _TEXT | st.just("3"),
    "currentPodHash": _TEXT | st.just("new"),
    "stableRS": _TEXT | st.just("old"),
    "currentStepIndex": _WHOLE,
    "currentStepHash": _TEXT,
    "controllerPause": st.booleans(),
    "abort": st.booleans(),
    "updatedReplicas": _WHOLE,
    "pauseConditions": st.lists(
        st.fixed_dictionaries(
            {"reason": _TEXT | st.just("CanaryPauseStep"), "startTime": _TEXT | st.just("9999-12-31T23:59:59Z")}
        ),
        max_size=2,
    ),
    "conditions": st.lists(
        st.fixed_dictionaries({"type": st.just("InvalidSpec") | _TEXT, "status": _TEXT, "message": _TEXT}),
        max_size=2,
    ),
    "canary": st.fixed_dictionaries(
        {},
        optional={
            "weights": st.fixed_dictionaries(
                {"canary": st.fixed_dictionaries({"weight": _WHOLE, "podTemplateHash": _TEXT | st.just("new")})},
                optional={"stable": st.fixed_dictionaries({"weight": _WHOLE})},
            ),
            "stablePingPong": _TEXT,
        },
    ),
}


@st.composite
def rollouts(draw: st.DrawFn, base: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A Rollout of a namespace: that of `base` with other steps, status, names and labels."""
    metadata = {
        "namespace": namespace,
        "name": draw(_NAMES),
        "uid": "bad",
        "generation": draw(st.integers(1, 2**63 - 1) | st.just(3)),
        "resourceVersion": str(draw(st.integers(1, 2**63 - 1))),
        "labels": draw(_LABELS),
        "annotations": {"rollout.argoproj.io/revision": draw(_TEXT)},
    }
    usual = {"canary": {**base["spec"]["strategy"]["canary"], "steps": [{"setWeight": 5}, {"pause": {}}]}}
    strategy: dict[str, Any] = draw(
        st.just(usual) | st.builds(lambda canary: {"canary": canary}, _CANARY) | st.just({"blueGreen": {}})
    )
    status = {} if draw(st.integers(0, 9)) == 9 else dict(base["status"])
    for field in draw(st.lists(st.sampled_from(sorted(_STATUS)), max_size=3, unique=True)):
        status[field] = draw(_STATUS[field])
    return {"metadata": metadata, "spec": {"replicas": draw(_WHOLE), "strategy": strategy}, "status": status}
