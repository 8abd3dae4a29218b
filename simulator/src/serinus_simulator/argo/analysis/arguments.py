"""Arguments of an analysis: where their values come from, and putting them in for `{{args.name}}`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from serinus_simulator.argo.view import ReplicaSetView, RolloutView
from serinus_simulator.kubernetes.kinds import SECRETS, Object
from serinus_simulator.kubernetes.objects import ObjectStore

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"""\[['"](?P<quoted>[^'"]*)['"]\]|(?P<plain>[^.\[\]]+)""")


class AnalysisError(Exception):
    """An analysis that cannot be run as it is written: why."""


def put_in(value: Any, arguments: Mapping[str, str]) -> Any:
    """The value with every `{{args.name}}` in its texts replaced. Raises AnalysisError for one that has no value."""
    if isinstance(value, dict):
        return {key: put_in(inner, arguments) for key, inner in value.items()}
    if isinstance(value, list):
        return [put_in(inner, arguments) for inner in value]
    if not isinstance(value, str):
        return value

    def replaced(tag: re.Match[str]) -> str:
        name = tag[1].strip()
        if name.removeprefix("args.") not in arguments or not name.startswith("args."):
            raise AnalysisError(f"failed to resolve {{{{{tag[1]}}}}}")
        return arguments[name.removeprefix("args.")]

    return _TAG.sub(replaced, value)


def of_rollout(
    arguments: Iterable[Object], rollout: RolloutView, new: ReplicaSetView | None, stable: ReplicaSetView | None
) -> list[Object]:
    """What a Rollout hands to an analysis, each argument with its value. Raises AnalysisError."""
    made: list[Object] = []
    for argument in arguments:
        value, source = str(argument.get("value", "")), argument.get("valueFrom") or {}
        if "podTemplateHashValue" in source:
            side = {"Latest": new, "Stable": stable}.get(source["podTemplateHashValue"])
            value = side.hash if side else ""
        elif "fieldRef" in source:
            value = _field(rollout.object, str(source["fieldRef"].get("fieldPath", "")))
        made.append({"name": argument["name"], "value": value})
    return made


def merged(given: Iterable[Object], declared: Iterable[Object]) -> list[Object]:
    """The arguments that templates declare, with what they are given. Raises AnalysisError for one without either."""
    values = {argument["name"]: argument for argument in given}
    made: list[Object] = []
    for argument in declared:
        whole = argument | {key: value for key, value in values.get(argument["name"], {}).items() if key != "name"}
        if "value" in whole:
            whole.pop("valueFrom", None)
        elif not whole.get("valueFrom"):
            raise AnalysisError(f"args.{argument['name']} was not resolved")
        made.append(whole)
    return made


def values(arguments: Iterable[Object], store: ObjectStore, namespace: str) -> tuple[dict[str, str], list[str]]:
    """The value of each argument of a run, and those that are secret. Raises AnalysisError."""
    found: dict[str, str] = {}
    secrets: list[str] = []
    for argument in arguments:
        reference = (argument.get("valueFrom") or {}).get("secretKeyRef")
        if reference is not None:
            secrets.append(_secret(reference, store, namespace))
        found[argument["name"]] = secrets[-1] if reference is not None else str(argument.get("value", ""))
    return found, secrets


def placeholders(arguments: Iterable[Object]) -> dict[str, str]:
    """Values that stand for those which only a run has: for checking a template before there is one."""
    return {argument["name"]: str(argument.get("value", "dummy-value")) for argument in arguments}


def _secret(reference: Object, store: ObjectStore, namespace: str) -> str:
    name, key = str(reference.get("name")), str(reference.get("key"))
    secret = store.peek(SECRETS, namespace, name)
    if secret is None:
        raise AnalysisError(f'secrets "{name}" not found')
    try:
        if key in (secret.get("stringData") or {}):
            return str(secret["stringData"][key])
        return base64.b64decode(secret["data"][key], validate=True).decode()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        raise AnalysisError(f"key '{key}' does not exist in secret '{name}'") from None


def _field(obj: Object, path: str) -> str:
    """A field as `metadata.labels['a/b']` or `spec.steps[0].setWeight`; a label that is not there is empty."""
    value: Any = obj
    for found in _PATH.finditer(path):
        key = found["quoted"] if found["quoted"] is not None else found["plain"]
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            value = None
    if value is None and path.startswith("metadata"):
        return ""
    if value is None or isinstance(value, dict | list):
        raise AnalysisError(f"invalid path {path} in rollout")
    return str(value).lower() if isinstance(value, bool) else str(value)
