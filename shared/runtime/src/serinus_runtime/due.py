"""The members of the due queue: ids of live runs."""

import logging

logger = logging.getLogger(__name__)


def run_of(member: bytes) -> str | None:
    """The run's id, None and a word in the log for what is not valid UTF-8: no service has written it."""
    try:
        return member.decode()
    except UnicodeDecodeError:
        logger.error("the due queue holds %r, which is no run's id: left out", member)
        return None
