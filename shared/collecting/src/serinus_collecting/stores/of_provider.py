"""The store of sums that a provider is, if it is none that speaks PromQL."""

import httpx

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.providers import Provider
from serinus_collecting.stores.cloudwatch import CloudWatch
from serinus_collecting.stores.datadog import Datadog


def make_store(provider: Provider, client: httpx.AsyncClient, *, timeout: float) -> PeriodProvider | None:
    """Asks by the client, which signs in; None for a Prometheus."""
    if provider.api == "datadog":
        return Datadog(client, str(provider.url), provider.periods, timeout=timeout)
    if provider.api == "cloudwatch":
        return CloudWatch(client, str(provider.url), provider.periods, timeout=timeout)
    return None
