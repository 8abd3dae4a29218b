"""The custom resource CanaryPolicy, generated from its model: a structural schema for the API server.

The API server checks what a structural schema can say; rules between fields are checked by the controller, which
tells them in the resource's status.
"""

from typing import Any

from serinus_contracts.policy import CanaryPolicy

Schema = dict[str, Any]

GROUP, VERSION, KIND, PLURAL = "serinus.dev", "v1alpha1", "CanaryPolicy", "canarypolicies"
_DROPPED = ("title", "default", "additionalProperties", "discriminator")


def custom_resource_definition() -> Schema:
    """The CustomResourceDefinition."""
    model = CanaryPolicy.model_json_schema()
    spec = _structural(model["properties"]["spec"], model["$defs"])
    columns = [
        ("Mode", "string", ".spec.mode"),
        ("Accepted", "string", ".status.conditions[?(@.type=='Accepted')].status"),
        ("Paced", "string", ".status.conditions[?(@.type=='Paced')].status"),
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "plural": PLURAL, "singular": "canarypolicy", "shortNames": ["canary"]},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} for name, kind, path in columns
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": CanaryPolicy.__doc__,
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": spec,
                                "status": _STATUS,
                            },
                        }
                    },
                }
            ],
        },
    }


_CONDITION_FIELDS = ("type", "status", "reason", "message", "lastTransitionTime")
_STATUS: Schema = {
    "type": "object",
    "properties": {
        "observedGeneration": {"type": "integer", "format": "int64"},
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {
                    **{name: {"type": "string"} for name in _CONDITION_FIELDS},
                    "observedGeneration": {"type": "integer", "format": "int64"},
                },
            },
        },
    },
}


def _structural(schema: Schema, definitions: Schema) -> Schema:
    """A JSON Schema of pydantic's as Kubernetes' structural subset: no references, no null, one type each."""
    if "$ref" in schema:
        resolved = definitions[schema["$ref"].rpartition("/")[2]]
        return _structural({**resolved, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions)
    if "anyOf" in schema:
        return _one_of(schema, definitions)
    if "oneOf" in schema:
        # One of several models by a field of theirs: a structural schema cannot hold the fields of all.
        about = {"description": schema["description"]} if "description" in schema else {}
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, **about}
    found = {name: value for name, value in schema.items() if name not in _DROPPED}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in found:
            found[bound.lower()], found[f"exclusive{bound}"] = found[f"exclusive{bound}"], True
    if "properties" in found:
        found["properties"] = {name: _structural(one, definitions) for name, one in found["properties"].items()}
    if "items" in found:
        found["items"] = _structural(found["items"], definitions)
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
    return found


def _one_of(schema: Schema, definitions: Schema) -> Schema:
    choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
    about = {"description": schema["description"]} if "description" in schema else {}
    if len(choices) == 1:
        return {**_structural(choices[0], definitions), **about}
    # A duration or share is a number or a text; a structural schema can say that only by not saying the type.
    return {"x-kubernetes-preserve-unknown-fields": True, **about}
