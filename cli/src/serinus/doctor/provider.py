"""The provider that `doctor` and `init` ask: an address, or one of the collector's file, reached as by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from serinus_collector.adapters.prometheus import Prometheus
from serinus_collector.adapters.provider_auth import ProviderAuth, make_client
from serinus_collector.config import providers
from serinus_collector.use_cases.ports import ProviderError
from serinus_contracts import Selector
from serinus_runtime.clock import now_ms
from serinus_runtime.documents import DocumentError

from serinus.doctor.checks import Check
from serinus.options import fail

ADDRESS = "http://127.0.0.1:9090"
TIMEOUT_SECONDS = 10.0

PrometheusOption = Annotated[
    str,
    typer.Option(
        "--prometheus",
        envvar="SERINUS_PROVIDERS",
        help="Address, or name=address as of the collector; with --providers-file a name of it.",
    ),
]
ProvidersFile = Annotated[
    Path | None,
    typer.Option(
        "--providers-file",
        envvar="SERINUS_PROVIDERS_FILE",
        help="The collector's file of providers, with how it signs in.",
    ),
]


@dataclass(frozen=True)
class ReachedProvider:
    """A provider, its address as it is shown, and how it is signed in to."""

    prometheus: Prometheus
    shown: str
    auth: ProviderAuth | None = None

    async def checks(self) -> AsyncIterator[Check]:
        """Which identity of a cloud was found, and whether queries are answered."""
        try:
            identity = self.auth and await self.auth.identity()
        except ProviderError as error:
            yield Check("sign-in", "failed", str(error), SIGN_IN)
            return
        if identity:
            yield Check("sign-in", "ok", identity)
        try:
            (await self.prometheus.samples(Selector(name="up"), now_ms(), 60_000)).read()
        except ProviderError as error:
            fix = "give its address by --prometheus" if self.auth is None else SIGN_IN
            yield Check("prometheus", "failed", f"{self.shown}: {error}", fix)
        else:
            yield Check("prometheus", "ok", f"{self.shown} answers queries")


SIGN_IN = "see docs/how-to/sources.md, How a provider is reached; where the collector runs its identity may be another"


@asynccontextmanager
async def reached(text: str, file: Path | None) -> AsyncIterator[ReachedProvider]:
    """The provider of an address, of the first of name=address,..., or of a name of the file."""
    first = text.split(",")[0]
    name, equals, url = first.partition("=")
    known = _read(file) if file else {}
    if text == ADDRESS and known:
        name = "main" if "main" in known else next(iter(known))
        if name != "main" and len(known) > 1:
            fail(f"{file} has no provider main: name one by --prometheus: {', '.join(known)}")
    if name in known:
        found = known[name]
        async with make_client(found, connections=2, timeout=TIMEOUT_SECONDS) as http:
            assert isinstance(http.auth, ProviderAuth)
            yield ReachedProvider(
                Prometheus(http, str(found.url), timeout=TIMEOUT_SECONDS), f"{name} at {found.url}", http.auth
            )
        return
    if known and "://" not in text:
        fail(f"{file} has no provider {name}, only {', '.join(known)}")
    async with httpx.AsyncClient() as http:
        address = url if equals and "://" not in name else first
        yield ReachedProvider(Prometheus(http, address, timeout=TIMEOUT_SECONDS), text)


def _read(file: Path) -> dict[str, providers.Provider]:
    try:
        return providers.read_providers(file)
    except DocumentError as error:
        fail(str(error))
