"""Settings come from the environment, are validated at start, and stop it with a message that names the way out."""

import argparse
import difflib
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from serinus_contracts.streams import Keys

from serinus_runtime.address import FORMS, RedisAddress, with_password

PREFIX = "SERINUS_"
USAGE_ERROR = 2


class Settings(BaseSettings):
    """What every service needs. Each setting is read from `SERINUS_` and its name in capitals, but for what has a name
    of its own that others read too, such as KUBECONFIG."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", validate_by_name=True)

    redis_url: RedisAddress = Field("redis://127.0.0.1:6379/0", description=f"address of Redis: {FORMS}")
    redis_password: SecretStr = Field(
        SecretStr(""), description="password for Redis, any characters, if redis_url has none"
    )
    redis_tag: str = Field(
        "serinus", pattern=r"^[A-Za-z0-9_.-]+$", description="hash tag of all keys; another tag is another deployment"
    )
    stream_maxlen: Annotated[int, Field(ge=1000)] = Field(
        100_000, description="approximate maximum stream length, in entries"
    )
    http_host: str = Field("127.0.0.1", description="address that /healthz, /readyz and /metrics listen on")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="their port; 0: a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="minimum log level; of libraries WARNING at least, since below it they tell what they send"
    )
    stop_timeout: Annotated[float, Field(gt=0)] = Field(
        10.0, description="seconds that running work may take to finish after SIGTERM"
    )

    @property
    def redis(self) -> str:
        """The address with its password."""
        return with_password(self.redis_url, self.redis_password.get_secret_value())

    @property
    def keys(self) -> Keys:
        """The keys of this deployment, by its tag."""
        return Keys(self.redis_tag)


S = TypeVar("S", bound=Settings)


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def load(kind: type[S], service: str, arguments: Sequence[str] | None = None) -> S:
    """The settings of a service, by its command line and the environment.

    A wrong value or argument ends the process with exit code 2 and says which and why; `--help` lists the settings.
    """
    command = f"serinus-{service}"
    parser = argparse.ArgumentParser(
        prog=command,
        description=f"{command} is configured by the environment.",
        epilog=_listed(kind, command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{command} {version_of(command)}")
    parser.parse_args(arguments)
    try:
        settings = kind()
    except ValidationError as error:
        refuse(*(_complaint(kind, item["loc"], item["msg"], item.get("input")) for item in error.errors()))
    for name in _misspelt(kind):
        print(name, file=sys.stderr)  # noqa: T201 - logging is configured from these settings
    return settings


def version_of(command: str) -> str:
    """Of its distribution; a second command of a distribution has that of what all share."""
    try:
        return version(command)
    except PackageNotFoundError:
        return version("serinus-runtime")


def _listed(kind: type[Settings], command: str) -> str:
    lines = ["settings:"]
    for name, field in kind.model_fields.items():
        lines.append(f"  {variable(name, field)} (default: {default_text(field)})")
        lines += textwrap.wrap(field.description or "", 76, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "", "example:", f"  {PREFIX}REDIS_URL=redis://127.0.0.1:6379/0 {command}"])


def default_text(field: FieldInfo) -> str:
    """A default as one would write it in the environment."""
    value = field.default
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in value.items())
    return ",".join(value) if isinstance(value, tuple) else str(value)


def refuse(*complaints: str) -> NoReturn:
    """End the process: it cannot start like this."""
    for complaint in complaints:
        print(complaint, file=sys.stderr)  # noqa: T201 - a message for the person at the terminal
    sys.exit(USAGE_ERROR)


def _complaint(kind: type[Settings], where: tuple[int | str, ...], problem: str, value: object) -> str:
    name = str(where[0]) if where else ""
    field: FieldInfo | None = kind.model_fields.get(name)
    shown = "" if _secret(name) or isinstance(value, dict) else f" (got {value!r})"
    meaning = f"\n  it is: {field.description}" if field and field.description else ""
    default = f"; default {default_text(field)}" if field and not field.is_required() and not _secret(name) else ""
    return f"{PREFIX}{name.upper()}: {problem.removeprefix('Value error, ')}{shown}{meaning}{default}"


def _secret(name: str) -> bool:
    return re.search(r"url|providers$|password|token|secret", name) is not None


def _misspelt(kind: type[Settings]) -> list[str]:
    """Warnings for variables that look like a setting of ours; others belong to another service or to Kubernetes."""
    known = [variable(name, field) for name, field in kind.model_fields.items()]
    warnings = []
    for name in sorted(os.environ):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if name.startswith(PREFIX) and name not in known and close:
            warnings.append(f"{name} is not a setting: did you mean {close[0]}?")
    return warnings
