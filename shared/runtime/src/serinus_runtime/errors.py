"""One tree of errors, split by who retries."""

from redis.exceptions import RedisError


class SerinusError(Exception):
    """Base of all errors that Serinus raises itself."""


class TransientError(SerinusError):
    """The other side failed in a way that may pass: the loop that called tries again, later.

    `retry_after`: seconds before which the other side does not want to be asked again.
    """

    retry_after: float = 0.0


class PermanentError(SerinusError):
    """Trying again would change nothing: a person, or a dead letter, has to deal with it."""


# A Redis that loads, is read-only, out of memory or away comes back, or a person sees the log: no service gives up.
RETRYABLE: tuple[type[Exception], ...] = (TransientError, RedisError, OSError, TimeoutError)
