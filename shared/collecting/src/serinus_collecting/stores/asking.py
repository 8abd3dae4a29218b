"""One request to a vendor's API, its answer bounded in time and size and without what was sent to sign in."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from serinus_collecting.bodies import MAX_ANSWER_BYTES
from serinus_collecting.masking import masked
from serinus_collecting.ports import ProviderError, TooMuchError


@dataclass(frozen=True)
class ApiAnswer:
    """Status, headers by their names in small letters, and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def asked(client: httpx.AsyncClient, request: httpx.Request, *, who: str, timeout: float) -> ApiAnswer:
    """The answer to a request. Raises ProviderError; `who` answers, for people."""
    request.headers["Accept-Encoding"] = "identity"
    try:
        async with asyncio.timeout(timeout):
            response = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise TooMuchError(f"{who} answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
            finally:
                await response.aclose()
    except (httpx.TimeoutException, TimeoutError):
        raise ProviderError(f"{who} did not answer within {timeout:g} s") from None
    except httpx.HTTPError as error:
        raise ProviderError(f"{who} is not reachable: {str(error) or type(error).__name__}") from error
    found = bytes(body)
    if response.status_code >= 400:
        found = masked(found.decode(errors="replace"), response.request).encode()
    return ApiAnswer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, found)
