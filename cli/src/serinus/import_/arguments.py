"""Arguments of an analysis: where their values come from, and putting them in for `{{args.name}}`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from serinus.import_.parts import Argument

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_METADATA = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_BETWEEN = re.compile(r"[.\[\]]+")
_HASHES = {"Latest": "{{canary_hash}}", "Stable": "{{stable_hash}}"}
_FIELDS = {"metadata.namespace": "{{namespace}}", "metadata.name": "{{rollout}}"}
_PLAIN_BELOW = 1_000_000
"""From here on Go writes a number of JSON with an exponent."""
KNOWN = frozenset((*_HASHES.values(), *_FIELDS.values()))
"""What a query of a policy may leave open; the controller fills it in for each run."""


class NotExpressibleError(Exception):
    """Something that a policy cannot say: why."""


Value = str | NotExpressibleError


def declared(arguments: Iterable[Argument]) -> dict[str, Argument]:
    """The arguments of all templates by name, one that has a value before one that has none, as Argo has it."""
    found: dict[str, Argument] = {}
    for argument in arguments:
        if argument.name not in found or found[argument.name].value is None:
            found[argument.name] = argument
    return found


def values(
    given: Iterable[Argument], templates: Mapping[str, Argument], rollout: Mapping[str, Any]
) -> dict[str, Value]:
    """The value of each declared argument or the NotExpressibleError that it is; a template's where none is given."""
    found = {name: _own(argument) for name, argument in templates.items()}
    for argument in given:
        if argument.name in found and "secretKeyRef" not in (templates[argument.name].valueFrom or {}):
            found[argument.name] = _given(argument, rollout)
    return found


def put_in(value: Any, arguments: Mapping[str, Value]) -> Any:
    """The value with every `{{args.name}}` in its texts replaced. Raises NotExpressibleError."""
    if isinstance(value, dict):
        return {key: put_in(inner, arguments) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [put_in(inner, arguments) for inner in value]
    return _TAG.sub(lambda tag: _filled(tag, arguments), value) if isinstance(value, str) else value


def left_open(text: str) -> list[str]:
    """The tags in a text that nobody would fill in."""
    return [tag[0] for tag in _TAG.finditer(text) if tag[0] not in KNOWN]


def _filled(tag: re.Match[str], arguments: Mapping[str, Value]) -> str:
    name = tag[1].strip().removeprefix("args.")
    if not tag[1].strip().startswith("args.") or name not in arguments:
        raise NotExpressibleError(f"{tag[0]} has no value")
    value = arguments[name]
    if isinstance(value, NotExpressibleError):
        raise value
    return value


def _own(argument: Argument) -> Value:
    """What a template says itself."""
    source = argument.valueFrom or {}
    if "secretKeyRef" in source:
        return NotExpressibleError(f"args.{argument.name} comes from a Secret, which a policy must not hold")
    if source:
        kinds = ", ".join(map(str, source))
        return NotExpressibleError(f"args.{argument.name}: Argo reads {kinds} in the args of a Rollout only")
    return NotExpressibleError(f"args.{argument.name} is given no value") if argument.value is None else argument.value


def _given(argument: Argument, rollout: Mapping[str, Any]) -> Value:
    """What a Rollout says: the source wins over the value, and where there is neither it is empty."""
    source = argument.valueFrom or {}
    if "podTemplateHashValue" in source:
        return _HASHES.get(str(source["podTemplateHashValue"])) or NotExpressibleError(
            f"args.{argument.name}: podTemplateHashValue is Latest or Stable, not {source['podTemplateHashValue']}"
        )
    if "fieldRef" in source:
        reference = source["fieldRef"]
        path = str(reference.get("fieldPath", "")) if isinstance(reference, dict) else ""
        return _FIELDS.get(path) or _field(argument.name, path, rollout)
    if "secretKeyRef" in source:
        return NotExpressibleError(f"args.{argument.name} comes from a Secret, which a policy must not hold")
    return argument.value or ""


def _field(name: str, path: str, rollout: Mapping[str, Any]) -> Value:
    """A field as the manifest has it; a label or an annotation that is missing is empty for Argo."""
    if path.startswith("metadata"):
        subscript = _METADATA.fullmatch(path)
        if not subscript:
            known = "metadata.name, metadata.namespace, metadata.labels['...'] and metadata.annotations['...']"
            return NotExpressibleError(f"args.{name}: {path} cannot be read from a manifest; {known} can")
        metadata = rollout.get("metadata")
        of = metadata.get(subscript[1]) if isinstance(metadata, dict) else None
        value: Any = of.get(subscript[2], "") if isinstance(of, dict) else ""
    else:
        value = rollout
        for key in filter(None, _BETWEEN.split(path)):
            if isinstance(value, list):
                value = value[int(key)] if key.isascii() and key.isdigit() and int(key) < len(value) else None
            else:
                value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < _PLAIN_BELOW):
        return str(value)
    return NotExpressibleError(f"args.{name}: the Rollout's manifest has no {path or 'field'} that could be put in")
