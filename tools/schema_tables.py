"""The models' JSON Schemas as tables in Markdown, for the reference pages."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from serinus_contracts.events import Event

UNITS = ("a duration: seconds, or text such as 30s, 5m, 1h30m", "Unix time in milliseconds")


def cell(text: str) -> str:
    """Text that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|")


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cell(one) for one in cells)} |"


def table(*heads: str) -> Iterator[str]:
    """With its head."""
    yield row(*heads)
    yield "|" + "---|" * len(heads)


Definitions = Mapping[str, Mapping[str, Any]]


def shown(schema: Mapping[str, Any], definitions: Definitions) -> str:
    """The type that a JSON Schema stands for, in a reader's words; a model becomes a link to its heading."""
    if "$ref" in schema:
        name = schema["$ref"]
        definition = definitions[name]
        return f"[{name}](#{name.lower()})" if "properties" in definition else shown(definition, definitions)
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    several = schema.get("oneOf") or schema.get("anyOf")
    if several:
        if any("(ms|s|m|h|d)" in one.get("pattern", "") for one in several):
            return "duration"
        return " or ".join(shown(one, definitions) for one in several if one.get("type") != "null")
    if schema.get("type") == "array":
        if items := schema.get("prefixItems"):
            return f"({', '.join(shown(one, definitions) for one in items)})"
        return f"list of {shown(schema.get('items', {}), definitions)}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"map to {shown(inner, definitions)}" if isinstance(inner, dict) else "map"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words = [f"{sign} {schema[name]:g}" for name, sign in bounds.items() if name in schema]
    return " ".join([str(schema.get("type", "any")), *words])


def default(name: str, schema: Mapping[str, Any], owner: Mapping[str, Any]) -> str:
    """As people write it; empty without."""
    if name in owner.get("required", ()):
        return "required"
    value = schema.get("default")
    simple = value is not None and value not in ("", [], {}) and not isinstance(value, dict)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if simple else ""


def fields(schema: Mapping[str, Any], definitions: Definitions) -> Iterator[str]:
    """A row for each field of a JSON Schema."""
    yield from table("field", "type", "default", "meaning")
    for name, one in schema["properties"].items():
        meaning = one.get("description", "")
        yield row(f"`{name}`", shown(one, definitions), default(name, one, schema), "" if meaning in UNITS else meaning)


def models(*kinds: type[BaseModel]) -> Iterator[str]:
    """Each model with its fields, then every model that they refer to, once."""
    referred: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        schema = kind.model_json_schema(ref_template="{model}", mode="validation")
        referred |= schema.get("$defs", {})
        yield from ("", f"## {kind.__name__}", "", schema.get("description", ""), "")
        if issubclass(kind, Event):
            yield from (f"Type `{kind.TYPE}`, stream `{kind.STREAM}`.", "")
        yield from fields(schema, referred)
    yield from described_below(referred)


def described_below(definitions: Definitions) -> Iterator[str]:
    """A heading, for links, and the fields of every model among these."""
    for name, schema in definitions.items():
        if "properties" in schema:
            yield from ("", f"### {name}", "", schema.get("description", ""), "", *fields(schema, definitions))
