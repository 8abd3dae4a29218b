"""Arguments of an analysis: where their values come from, and putting them in for `{{args.name}}`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from serinus.import_.parts import Argument

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"""\[['"](?P<quoted>[^'"]*)['"]\]|(?P<plain>[^.\[\]]+)""")
_HASHES = {"Latest": "{{canary_hash}}", "Stable": "{{stable_hash}}"}
_FIELDS = {"metadata.namespace": "{{namespace}}", "metadata.name": "{{rollout}}"}
KNOWN = frozenset((*_HASHES.values(), *_FIELDS.values()))
"""What a query of a policy may leave open; the controller fills it in for each run."""


class NotExpressibleError(Exception):
    """Something that a policy cannot say: why."""


def values(given: Iterable[Argument], declared: Iterable[Argument], rollout: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each argument, or the NotExpressibleError that it is; a template's value where none is given."""
    found: dict[str, Any] = {}
    for argument in (*declared, *given):
        if argument.value is not None or argument.valueFrom or argument.name not in found:
            found[argument.name] = _value(argument, rollout)
    return found


def put_in(value: Any, arguments: Mapping[str, Any]) -> Any:
    """The value with every `{{args.name}}` in its texts replaced. Raises NotExpressibleError."""
    if isinstance(value, dict):
        return {key: put_in(inner, arguments) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [put_in(inner, arguments) for inner in value]
    return _TAG.sub(lambda tag: _filled(tag, arguments), value) if isinstance(value, str) else value


def left_open(text: str) -> list[str]:
    """The tags in a text that nobody would fill in."""
    return [tag[0] for tag in _TAG.finditer(text) if tag[0] not in KNOWN]


def _filled(tag: re.Match[str], arguments: Mapping[str, Any]) -> str:
    name = tag[1].strip().removeprefix("args.")
    if not tag[1].strip().startswith("args.") or name not in arguments:
        raise NotExpressibleError(f"{tag[0]} has no value")
    if isinstance(arguments[name], NotExpressibleError):
        raise arguments[name]
    return str(arguments[name])


def _value(argument: Argument, rollout: Mapping[str, Any]) -> str | NotExpressibleError:
    source = argument.valueFrom or {}
    if argument.value is not None:
        return argument.value
    if "podTemplateHashValue" in source:
        return _HASHES.get(source["podTemplateHashValue"]) or NotExpressibleError(
            f"args.{argument.name}: podTemplateHashValue is Latest or Stable, not {source['podTemplateHashValue']}"
        )
    if "fieldRef" in source:
        path = str((source["fieldRef"] or {}).get("fieldPath", ""))
        return _FIELDS.get(path) or _field(argument.name, path, rollout)
    if "secretKeyRef" in source:
        return NotExpressibleError(f"args.{argument.name} comes from a Secret, which a policy must not hold")
    return NotExpressibleError(f"args.{argument.name} is given no value")


def _field(name: str, path: str, rollout: Mapping[str, Any]) -> str | NotExpressibleError:
    """A field as the manifest has it; Argo leaves a missing one of the metadata empty."""
    value: Any = rollout
    for part in _PATH.finditer(path):
        key = part["quoted"] if part["quoted"] is not None else part["plain"]
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if value is None and path.startswith("metadata."):
        return ""
    return NotExpressibleError(f"args.{name}: the Rollout's manifest has no {path or 'field'}")
