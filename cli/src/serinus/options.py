"""What the commands share: groups of options, printing, and the end with an exit code."""

import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self, get_type_hints

import typer

if TYPE_CHECKING:
    from serinus_contracts.provider_namespaces import ProviderAccess

    from serinus.terminal import Terminal

ERROR, USAGE, ABORTED, INCONCLUSIVE, INTERRUPTED = 1, 2, 3, 4, 130
LOCAL = "redis://127.0.0.1:6379/0"
TAG = "serinus"
# What a table of -o wide needs at most: it is not folded, as kubectl's is not.
WIDE = 250


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The Redis that the services use."""

    redis_url: Annotated[
        str,
        typer.Option(
            envvar="SERINUS_REDIS_URL",
            help="Address of Redis; its password may stand in SERINUS_REDIS_PASSWORD instead.",
            show_default=f"a running demo's, else {LOCAL}",
        ),
    ] = ""
    redis_tag: Annotated[
        str, typer.Option(envvar="SERINUS_REDIS_TAG", help=f"Hash tag of its keys; by default {TAG}.")
    ] = ""

    @property
    def url(self) -> str:
        """The address, as it was given; else a running demo's."""
        return self._used[0]

    @property
    def tag(self) -> str:
        """The hash tag, as it was given; else a running demo's."""
        return self._used[1]

    @cached_property
    def _used(self) -> tuple[str, str]:
        """Address and tag. Found when they are asked for: not every use of a command reads Redis."""
        # Who gives one of them does not mean the demo.
        if self.redis_url or self.redis_tag:
            return self.redis_url or LOCAL, self.redis_tag or TAG
        from serinus.running_demo import found

        demo = found()
        if demo is None:
            return LOCAL, TAG
        from serinus.terminal import Terminal

        Terminal(stderr=True).print(f"using the demo that runs here, {demo.redis_url}", soft_wrap=True, style="dim")
        return demo.redis_url, demo.redis_tag

    def beside_cluster(self) -> Self:
        """Likewise beside a cluster, which is the user's own: the Redis of a demo would be that of another."""
        return replace(self, redis_url=self.redis_url or LOCAL)

    @property
    def redis(self) -> str:
        """The address with its password."""
        from serinus_runtime.address import with_password

        return with_password(self.url, os.environ.get("SERINUS_REDIS_PASSWORD", ""))


@dataclass(frozen=True, kw_only=True)
class Source(Streams):
    """Where runs are read and asked for: a console, where one is given, else the streams."""

    console: Annotated[
        str,
        typer.Option(
            envvar="SERINUS_CONSOLE", help="Address of a console to ask instead of Redis; a token: SERINUS_TOKEN."
        ),
    ] = ""
    token_file: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_TOKEN_FILE", help="File with the bearer token for the console."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The user's own access to a cluster, as kubectl has it."""

    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Else the context's namespace, else default.")
    ] = None
    context: Annotated[str, typer.Option(help="Context of the kubeconfig; else its current one.")] = ""
    kubeconfig: Annotated[str, typer.Option(envvar="KUBECONFIG", help="Else ~/.kube/config.")] = ""


@dataclass(frozen=True, kw_only=True)
class Providers:
    """What the controller knows of providers."""

    provider_namespaces: Annotated[
        str,
        typer.Option(
            envvar="SERINUS_PROVIDER_NAMESPACES",
            help='Which namespaces may use a provider, as the controller has it: {"main": ["shop", "pay-*"]}.',
        ),
    ] = ""

    @property
    def access(self) -> "ProviderAccess":
        """The namespaces that may use each provider; ends the command where they cannot be read."""
        from pydantic import TypeAdapter

        try:
            return TypeAdapter(dict[str, tuple[str, ...]]).validate_json(self.provider_namespaces or "{}")
        except ValueError:
            fail('--provider-namespaces: write JSON, as {"main": ["shop", "pay-*"]}', USAGE)


class Format(StrEnum):
    """Of what is printed."""

    text = "text"
    json = "json"
    yaml = "yaml"


class Wider(StrEnum):
    """Of tables, which may show more columns."""

    text = "text"
    wide = "wide"
    json = "json"
    yaml = "yaml"


def _without_color(wanted: bool) -> None:
    if wanted:
        os.environ["NO_COLOR"] = "1"


@dataclass(frozen=True, kw_only=True)
class Output:
    """How to print."""

    output: Annotated[Format, typer.Option("--output", "-o", help="json and yaml are for programs.")] = Format.text
    no_color: Annotated[
        bool, typer.Option("--no-color", callback=_without_color, help="As with NO_COLOR in the environment.")
    ] = False

    @property
    def data(self) -> bool:
        """Whether a program reads it."""
        return self.output in ("json", "yaml")

    @property
    def wide(self) -> bool:
        """Whether tables show all columns."""
        return self.output == "wide"

    @property
    def terminal(self) -> "Terminal":
        """Where text is printed."""
        from serinus.terminal import Terminal

        return Terminal(width=WIDE if self.wide else None)

    def document(self, value: Any, *, stream: bool = False) -> None:
        """Print a document of plain values for a program; `stream`: as one of several."""
        if self.output == "yaml":
            import yaml

            text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110, explicit_start=stream)
        else:
            from serinus_contracts.plain import escaped

            text = escaped(json.dumps(value, indent=None if stream else 2, ensure_ascii=False)) + "\n"
        sys.stdout.write(text)


@dataclass(frozen=True, kw_only=True)
class WideOutput(Output):
    """How to print what has more columns than fit on a terminal."""

    output: Annotated[
        Wider, typer.Option("--output", "-o", help="wide shows more columns; json and yaml are for programs.")
    ] = Wider.text  # type: ignore[assignment] # one value more


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command for Typer: a parameter that is a group of options stands for one option for each of its fields."""
    groups: dict[str, Any] = {}
    own: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    for one in inspect.signature(command, eval_str=True).parameters.values():
        if is_dataclass(one.annotation):
            groups[one.name] = one.annotation
            hints = get_type_hints(one.annotation, include_extras=True)
            shared += [
                inspect.Parameter(field.name, one.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
                for field in fields(one.annotation)
            ]
        else:
            own.append(one.replace(kind=one.KEYWORD_ONLY))

    @wraps(command)
    def spreading(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    spreading.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    spreading.__annotations__ = {one.name: one.annotation for one in (*own, *shared)}
    return spreading


def without_password(url: str) -> str:
    """An address, or several as in name=address,..., as they may be shown."""
    # A password may hold anything, a slash too where it is not written as it should be: rather too much is left out.
    return re.sub(r"(^|://)([^/]*|[^/:]*:(?!//)((?!://).)*)@", r"\1", url)


def fail(message: str, code: int = ERROR) -> NoReturn:
    """End with an error for the person at the terminal."""
    from rich.text import Text

    from serinus.terminal import Terminal

    Terminal(stderr=True).print(Text.assemble(("error:", "red"), f" {message}"), soft_wrap=True)
    raise typer.Exit(code)
