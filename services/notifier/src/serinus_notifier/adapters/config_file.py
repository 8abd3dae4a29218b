"""The notifier's file: channels, rules, templates. A wrong one is refused with file, line, column and the way out."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from pydantic import SecretStr
from serinus_runtime import documents
from serinus_runtime.documents import DocumentError, Location, Problem, mark_of

from serinus_notifier.adapters.channels import known
from serinus_notifier.domain.notifications import Notifications

VARIABLE = re.compile(r"\$\{(\w+)\}")


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Notifications:
    """`${NAME}` in a channel's address is taken from the environment. Raises DocumentError, which tells no address."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError.about(str(path), f"cannot be read: {error}") from error
    found = documents.read(text, str(path), Notifications)
    if len(found) != 1:
        raise DocumentError.about(str(path), f"holds {len(found)} documents, wanted is one with channels and rules")
    (config,) = found
    node = next(node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None)
    addresses = {name: _filled(one.get_secret_value(), environment) for name, one in config.channels.items()}
    problems = []
    for location, message in _problems(config, addresses):
        mark = mark_of(node, location, key=False)
        where = ".".join(map(str, location))
        problems.append(Problem(str(path), mark.line + 1, mark.column + 1, where, message))
    if problems:
        raise DocumentError(problems)
    return config.model_copy(update={"channels": {name: SecretStr(one) for name, one in addresses.items()}})


def _filled(address: str, environment: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: environment.get(found[1]) or found[0], address)


def _problems(config: Notifications, addresses: Mapping[str, str]) -> Iterator[tuple[Location, str]]:
    for name, address in addresses.items():
        missing = VARIABLE.search(address)
        if missing:
            yield ("channels", name), f"the environment has no {missing[1]}"
        elif not known(address):
            yield ("channels", name), "is no address that Apprise knows, such as slack://... or mailto://..."
    for number, rule in enumerate(config.rules):
        for place, channel in enumerate(rule.to):
            if channel not in config.channels:
                there = ", ".join(config.channels)
                yield ("rules", number, "to", place), f"there is no channel {channel!r}; known: {there}"
        if rule.after is not None and not {"held", "cannot_judge"} & set(rule.kinds):
            yield ("rules", number, "after"), "only held and cannot_judge last: leave it out"
