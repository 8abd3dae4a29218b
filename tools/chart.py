"""Writes the schema of the chart's values: `python -m tools.chart`.

Names, defaults and meanings are those of values.yaml, so that both cannot disagree; what the services read themselves
(settings, providers, notifications) is taken from their models. A name that is not there is refused, as Helm's users
are otherwise told nothing of a misspelt one.
"""

import json
import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from serinus_collecting.providers import Provider
from serinus_collector.config.settings import CollectorSettings
from serinus_console.settings import Auth, ConsoleSettings
from serinus_controller.settings import ControllerSettings
from serinus_notifier.domain.notifications import Notifications
from serinus_notifier.settings import NotifierSettings
from serinus_runtime.settings import PREFIX, Settings, variable

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "serinus"
SCHEMA = CHART / "values.schema.json"
Schema = dict[str, Any]

SERVICES: dict[str, type[Settings]] = {
    "collector": CollectorSettings,
    "analyzer": Settings,
    "controller": ControllerSettings,
    "console": ConsoleSettings,
    "notifier": NotifierSettings,
}
# What every service has, and on or off; told once instead of with each.
MEANINGS = {
    "enabled": "On or off.",
    "replicas": "Pods of it.",
    "env": "Settings by their environment variables (docs/reference/settings.md), and other variables; a value may be "
    "{valueFrom: ...} as in a container.",
    "envSecret": "A Secret whose keys become environment variables.",
    "resources": "As in a container.",
    "nodeSelector": "As in a pod.",
    "tolerations": "As in a pod.",
    "affinity": "As in a pod.",
    "podAnnotations": "Annotations of its pods.",
    "podLabels": "More labels of its pods.",
    "serviceAccount": "Its service account, by which a cloud may know it.",
    "annotations": "Its annotations.",
    "labels": "More labels of it.",
    "volumes": "More volumes, as in a pod.",
    "volumeMounts": "Where they are, as in a container.",
}
NAMES: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
VALUE_FROM: Schema = {
    "type": "object",
    "properties": {"valueFrom": {"type": "object", "minProperties": 1, "maxProperties": 1}},
    "required": ["valueFrom"],
    "additionalProperties": False,
}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
SPECIAL: dict[str, Schema] = {
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.registry": {"type": "string", "pattern": "^(.*/)?$"},
    "imagePullSecrets": OBJECTS,
    "prometheus.secrets": NAMES,
    "redis.maxmemory": {"type": "string", "pattern": "^[0-9]+(kb|mb|gb)$"},
    "redis.streamMaxlen": {"type": "integer", "minimum": 1000},
    "redis.tag": {"type": "string", "pattern": Settings.model_fields["redis_tag"].metadata[0].pattern},
    "rbac.namespaces": NAMES,
    "policies": TEXTS,
    "policyConfigMaps": NAMES,
    "console.auth": {"enum": list(get_args(Auth))},
    "keda.trigger": {"enum": ["redis-streams", "redis-cluster-streams", "redis-sentinel-streams"]},
    "keda.metadata": TEXTS,
    "serviceMonitor.labels": TEXTS,
    "prometheusRule.labels": TEXTS,
    "networkPolicy.redisClients": OBJECTS,
    "networkPolicy.consoleClients": OBJECTS,
    **{f"networkPolicy.egress.{to}": OBJECTS for to in ("prometheus", "apiServer", "redis", "notifications", "others")},
}
OF_SERVICES = {
    **dict.fromkeys(("tolerations", "volumes", "volumeMounts"), OBJECTS),
    **dict.fromkeys(("nodeSelector", "podAnnotations", "podLabels"), TEXTS),
    **dict.fromkeys(("serviceAccount.annotations", "serviceAccount.labels"), TEXTS),
}


def referred(model: type[BaseModel], definitions: Schema) -> Schema:
    """The schema of a model, whose parts go to `definitions`."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= schema.pop("$defs", {})
    return schema


def environment(settings: type[Settings]) -> Schema:
    """The schema of variables: those of ours have to be known ones."""
    ours = [variable(name, field) for name, field in settings.model_fields.items()]
    return {
        "type": "object",
        "propertyNames": {"anyOf": [{"enum": ours}, {"not": {"pattern": f"^{PREFIX}"}}]},
        "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean"]}, VALUE_FROM]},
    }


def meaning(lines: list[str], key: yaml.Node) -> str:
    """The comment above a key; a line that is set in further shows an example."""
    above = []
    for line in reversed(lines[: key.start_mark.line]):
        if not re.match(" " * key.start_mark.column + r"# (?! )", line):
            break
        above.append(line.strip(" #"))
    return " ".join(reversed(above))


def plain(value: yaml.Node) -> Schema:
    """The schema that a value gives by its type."""
    found = yaml.SafeLoader("").construct_object(value, deep=True)
    if isinstance(found, bool):
        return {"type": "boolean"}
    if isinstance(found, int):
        return {"type": "integer", "minimum": 0}
    return {"type": "string" if isinstance(found, str) else "object"}


def described(node: yaml.MappingNode, special: dict[str, Schema], lines: list[str], path: str = "") -> Schema:
    """The schema of a mapping, each key with the comment above it. Raises ValueError where one has none."""
    properties = {}
    for key, value in node.value:
        name = f"{path}{key.value}"
        text = meaning(lines, key) or MEANINGS.get(key.value, "")
        if not text:
            raise ValueError(f"values.yaml: {name} has no comment that says what it is")
        opened = isinstance(value, yaml.MappingNode) and value.value and key.value != "resources"
        schema = special.get(name) or (described(value, special, lines, f"{name}.") if opened else plain(value))
        properties[key.value] = {"description": text, **{k: v for k, v in schema.items() if k != "description"}}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def schema() -> str:
    """The text of values.schema.json."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    definitions: Schema = {}
    notifications = referred(Notifications, definitions)
    special = dict(SPECIAL)
    for service, settings in SERVICES.items():
        special |= {f"{service}.{name}": one for name, one in OF_SERVICES.items()}
        special[f"{service}.env"] = environment(settings)
    special["prometheus.providers"] = {
        "type": "object",
        "additionalProperties": referred(Provider, definitions),
    }
    special["notifier.notifications"] = {"anyOf": [{"type": "object", "maxProperties": 0}, notifications]}
    node = yaml.compose(text)
    assert isinstance(node, yaml.MappingNode)
    made = described(node, special, text.splitlines())
    # Helm hands it to a chart that another one depends on.
    made["properties"]["global"] = {"description": "Of a chart that this one is a part of; not read.", "type": "object"}
    made = {"$schema": "http://json-schema.org/draft-07/schema#", **made, "$defs": definitions}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
