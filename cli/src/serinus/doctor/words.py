"""Text as YAML."""

import re
from collections.abc import Mapping
from math import inf

import yaml


def plain(text: str) -> str:
    """The text as a YAML value: quoted where it could be read as something else, such as 123, on or 1e3."""
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]+", text) is not None and yaml.safe_load(text) == text
    return text if is_word else yaml.safe_dump(text, default_style='"', width=inf, allow_unicode=True).rstrip("\n")


def flow(fields: Mapping[str, str]) -> str:
    """A mapping on one line, of values that are YAML already."""
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"
