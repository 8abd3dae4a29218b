"""The provider that a command asks: an address, or one of the collector's file, reached as the collector does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from serinus_collecting import providers
from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.prometheus import Prometheus
from serinus_collecting.provider_auth import ProviderAuth, make_client
from serinus_collecting.stores.of_provider import make_store
from serinus_runtime.documents import DocumentError

from serinus.options import fail, without_password

ADDRESS = "http://127.0.0.1:9090"
TIMEOUT_SECONDS = 10.0

ProvidersFile = Annotated[
    Path | None,
    typer.Option(
        "--providers-file",
        envvar="SERINUS_PROVIDERS_FILE",
        help="The collector's file of providers, with how it signs in; --prometheus names one of it.",
    ),
]


@dataclass(frozen=True)
class ReachedProvider:
    """A provider, its address as it is shown, how it is signed in to, and the `store` of sums that it may be instead of
    a Prometheus."""

    prometheus: Prometheus
    shown: str
    auth: ProviderAuth | None = None
    store: PeriodProvider | None = None

    def promql(self) -> Prometheus:
        """The Prometheus; ends the command where it is none."""
        if self.store is not None:
            fail(f"{self.shown} speaks {self.store.api} and no PromQL: write its policy as docs/how-to/stores.md shows")
        return self.prometheus


@asynccontextmanager
async def reached(text: str, file: Path | None, timeout: float = TIMEOUT_SECONDS) -> AsyncIterator[ReachedProvider]:
    """The provider of an address, of the first of name=address,..., or of a name of the file; `timeout` in seconds."""
    first = text.split(",")[0]
    name, equals, url = first.partition("=")
    known = _read(file) if file else {}
    if text == ADDRESS and known:
        name = "main" if "main" in known else next(iter(known))
        if name != "main" and len(known) > 1:
            fail(f"{file} has no provider main: name one by --prometheus: {', '.join(known)}")
    if name in known:
        found = known[name]
        async with make_client(found, connections=2, timeout=timeout) as http:
            assert isinstance(http.auth, ProviderAuth)
            store = make_store(found, http, timeout=timeout)
            prometheus = Prometheus(http, str(found.url), timeout=timeout, compression=found.compression)
            yield ReachedProvider(prometheus, f"{name} at {found.url}", http.auth, store)
        return
    if known and "://" not in text:
        fail(f"{file} has no provider {without_password(name)}, only {', '.join(known)}")
    async with httpx.AsyncClient() as http:
        address = url if equals and "://" not in name else first
        try:
            httpx.URL(address)
        except httpx.InvalidURL:
            fail("--prometheus is not an address: write http://HOST:PORT, with / and , in a password as %2F and %2C")
        yield ReachedProvider(Prometheus(http, address, timeout=timeout), without_password(text))


def _read(file: Path) -> dict[str, providers.Provider]:
    try:
        return providers.read_providers(file)
    except DocumentError as error:
        fail(str(error))
