"""Whether the provider is reached, and as whom."""

from collections.abc import AsyncIterator
from typing import Annotated

import typer
from serinus_collecting.ports import ProviderError
from serinus_contracts import Selector
from serinus_runtime.clock import now_ms

from serinus.doctor import stores
from serinus.doctor.checks import Check
from serinus.provider import ReachedProvider

PrometheusOption = Annotated[
    str,
    typer.Option(
        "--prometheus",
        envvar="SERINUS_PROVIDERS",
        help="Address, or name=address as of the collector; with --providers-file a name of it.",
    ),
]
SIGN_IN = "see docs/how-to/sources.md, How a provider is reached; where the collector runs its identity may be another"


async def checks(provider: ReachedProvider) -> AsyncIterator[Check]:
    """Which identity of a cloud was found, and whether queries are answered."""
    try:
        identity = provider.auth and await provider.auth.identity()
    except ProviderError as error:
        yield Check("sign-in", "failed", str(error), SIGN_IN)
        return
    if identity:
        yield Check("sign-in", "ok", identity)
    if provider.store is not None:
        yield await stores.reached(provider.store, provider.shown, now_ms())
        return
    try:
        (await provider.prometheus.samples(Selector(name="up"), now_ms(), 60_000)).read()
    except ProviderError as error:
        fix = "give its address by --prometheus" if provider.auth is None else SIGN_IN
        yield Check("prometheus", "failed", f"{provider.shown}: {error}", fix)
    else:
        yield Check("prometheus", "ok", f"{provider.shown} answers queries")
