"""What people must know of the controllers: that nobody leads, that the API server is away or refuses, that Redis is
full or has lost data."""

from collections.abc import Iterator, Mapping

from serinus_contracts import ControllerStatus
from serinus_contracts.base import Millis
from serinus_contracts.wording import moment

CONSEQUENCE = "nothing can be advanced or aborted"
LOSS_SHOWN_MS = 3_600_000


def warnings(statuses: Mapping[str, ControllerStatus], now: Millis) -> list[str]:
    """A line for whatever people must know of a cluster; none where nothing was ever told."""
    many = len(statuses) > 1
    return [
        f"{f'cluster {cluster}: ' * many}{text}"
        for cluster, one in sorted(statuses.items())
        for text in _warnings(one, now)
    ]


def _warnings(one: ControllerStatus, now: Millis) -> Iterator[str]:
    if one.trouble and now - one.reported <= one.valid_ms:
        what = "refuses the controller" if one.refused else "has not answered"
        yield f"the API server {what} since {moment(one.since)}: {CONSEQUENCE} ({one.trouble})"
    elif now - one.led > one.valid_ms:
        since = f"no controller is active since {moment(one.led)}" if one.led else "no controller is active"
        yield f"{since}: {CONSEQUENCE}"
    elif one.redis:
        yield one.redis
    if one.lost and now - one.lost <= LOSS_SHOWN_MS:
        found = f"Redis was found to have lost data at {moment(one.lost)}"
        if one.doubtful:
            yield f"{found}, perhaps holds and approvals too: runs that were in progress stay on hold until resumed"
        else:
            yield f"{found}: every run was planned again, and the controller wrote holds and approvals back"
