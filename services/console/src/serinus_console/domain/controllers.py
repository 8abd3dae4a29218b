"""What people must know of the controllers: that nobody leads, that the API server is away or refuses, Redis full."""

from collections.abc import Mapping

from serinus_contracts import ControllerStatus
from serinus_contracts.base import Millis

from serinus_console.domain.wording import moment

CONSEQUENCE = "nothing can be advanced or aborted"


def warnings(told: Mapping[str, ControllerStatus], now: Millis) -> list[str]:
    """A line for each cluster in which Serinus cannot act; none where nothing was ever told."""
    many = len(told) > 1
    return [
        f"{f'cluster {cluster}: ' * many}{text}"
        for cluster, one in sorted(told.items())
        if (text := _warning(one, now))
    ]


def _warning(one: ControllerStatus, now: Millis) -> str:
    if one.trouble and now - one.told <= one.lasts_ms:
        what = "refuses the controller" if one.refused else "has not answered"
        return f"the API server {what} since {moment(one.since)}: {CONSEQUENCE} ({one.trouble})"
    if now - one.led > one.lasts_ms:
        since = f"no controller leads since {moment(one.led)}" if one.led else "no controller leads"
        return f"{since}: {CONSEQUENCE}"
    return one.redis
