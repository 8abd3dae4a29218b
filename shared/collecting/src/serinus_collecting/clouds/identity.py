"""An identity of a cloud, and bearer tokens as one."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx

from serinus_collecting.ports import ProviderError
from serinus_collecting.tokens import Tokens

# For one request of a library, which may try several places in a row.
REQUEST_SECONDS = 5
# Instances' servers give the same token until some minutes before it ends.
EARLY_SECONDS = 60.0


class CloudIdentity(ABC):
    """One identity, which lets requests in. `needs` says what it must be allowed."""

    needs: str

    @abstractmethod
    async def authorize(self, request: httpx.Request) -> None:
        """Add to the request what shows who asks; its body has been read. Raises ProviderError."""

    @abstractmethod
    def refused(self) -> None:
        """The provider did not take what was added: look anew next time."""

    @abstractmethod
    async def describe(self) -> str:
        """Which identity was found, and where. Raises ProviderError."""


@contextmanager
def told(failed: Callable[[], str]) -> Iterator[None]:
    """Makes what a vendor's library raises one ProviderError that begins as `failed` says.

    A library is given files and answers that it may not know how to read, so this may be anything.
    """
    try:
        yield
    except ProviderError:
        raise
    except (AttributeError, TypeError, LookupError) as error:
        odd = f"its library cannot read what it was given ({type(error).__name__})"
        raise ProviderError(f"{failed()}: {odd}") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its words are all there is
        # Google's have a sentence and a cause, which may quote the file.
        first = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
        said = " ".join(first.split())[:300] or type(error).__name__
        raise ProviderError(f"{failed()}: {said}") from None


class TokenSource(ABC):
    """Where a cloud's tokens come from; `token` is called in a thread and blocks."""

    needs: str

    @abstractmethod
    def token(self) -> tuple[str, float]:
        """A token, and the seconds that it lives. Raises ProviderError."""

    @abstractmethod
    def forget(self) -> None:
        """Give no token that was given before, and look for the identity anew."""

    @abstractmethod
    def description(self) -> str:
        """Which identity the last token is of."""


class TokenIdentity(CloudIdentity):
    """Bearer tokens of a cloud."""

    def __init__(self, source: TokenSource, clock: Callable[[], float] = time.monotonic) -> None:
        self.needs, self._source = source.needs, source
        ask = partial(asyncio.to_thread, source.token)
        self._tokens = Tokens(ask, clock=clock, early_seconds=EARLY_SECONDS)
        self._last = ""

    async def authorize(self, request: httpx.Request) -> None:
        self._last = await self._tokens.token()
        request.headers["Authorization"] = f"Bearer {self._last}"

    def refused(self) -> None:
        self._source.forget()
        self._tokens.forget(self._last)

    async def describe(self) -> str:
        await self._tokens.token()
        return self._source.description()
