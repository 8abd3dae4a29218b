"""One tree of errors, split by who retries."""

import errno
import re

from redis.exceptions import DataError, RedisError, ResponseError


class SerinusError(Exception):
    """Base of all errors that Serinus raises itself."""


class TransientError(SerinusError):
    """The other side failed in a way that may pass: the loop that called tries again, later.

    `retry_after`: seconds before which the other side does not want to be asked again.
    """

    retry_after: float = 0.0


class PermanentError(SerinusError):
    """Trying again would change nothing: a person, or a dead letter, has to deal with it."""


# To people: what they asked for was refused as a whole (`scripts.py`).
REDIS_IS_FULL = (
    "Redis is full, and so is what it keeps back for people: nothing was done. Give it memory (maxmemory), or delete "
    "what others keep in it; meanwhile abort by kubectl argo rollouts abort"
)

# A Redis that loads, is read-only, out of memory or away comes back, or a person sees the log: no service gives up.
RETRYABLE: tuple[type[Exception], ...] = (TransientError, RedisError, OSError, TimeoutError)

# What Redis says of itself, and not of the key that was asked for; a script's error holds the word further behind.
_OF_SERVER = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOGROUP|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN)\b"
    "|unknown command"
)
_OF_VALUE = (errno.EINVAL, errno.EOVERFLOW, errno.ENAMETOOLONG, errno.ERANGE)


def concerns_all(error: BaseException) -> bool:
    """Whether the error is retryable and about the other side, not about the object that was in hand.

    A key of the wrong type, or a file that cannot be read, stays as it is however often it is tried.
    """
    if not isinstance(error, RETRYABLE):
        return False
    if isinstance(error, DataError) or type(error) is ResponseError:
        return _OF_SERVER.search(str(error)) is not None
    if isinstance(error, OSError):
        return error.filename is None and error.errno not in _OF_VALUE
    return True
