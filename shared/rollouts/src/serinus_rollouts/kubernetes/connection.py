"""The way to the API server: by a kubeconfig, or as a pod. What gives access does not last, and is then read again."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from serinus_runtime.files import unreadable

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient, Configuration

logger = logging.getLogger(__name__)

# A plugin may ask a cloud for its token.
READING_SECONDS = 30.0
LONGEST_PAUSE = 15.0


class Connection:
    """Tokens of files and plugins last minutes, certificates hours or days: when the server refuses them (401, or in
    the TLS handshake), kubeconfig, plugin and files are read again, and the request is sent once more. As long as
    they are refused this happens less and less often, at least every 15 s.
    """

    def __init__(self, kubeconfig: str, context: str) -> None:
        self.place = kubeconfig or "the pod's service account"
        self.problem = ""
        """Why they could not be read again."""
        self._kubeconfig, self._context = kubeconfig, context
        self._client: ApiClient | None = None
        self._former: ApiClient | None = None
        self._reading = asyncio.Lock()
        self._refusals, self._not_before = 0, 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._client, self._former):
            if client:
                await client.close()

    async def read(self) -> None:
        """Raises ValueError saying what is missing."""
        # Two seconds and 100 MB of generated models, which a command that never connects should not pay.
        from kubernetes_asyncio.client import ApiClient

        try:
            async with asyncio.timeout(READING_SECONDS):
                fresh = ApiClient(configuration=await _configuration(self._kubeconfig, self._context))
        except Exception as error:  # the library's parser and plugins raise what they meet
            text = f"{type(error).__name__}: {error}" if type(error).__module__ == "builtins" else str(error)
            if not self._kubeconfig:
                raise ValueError(f"no access to a cluster: {text}; set SERINUS_KUBECONFIG, or run as a pod") from error
            reasons = (unreadable(Path(part).expanduser()) for part in self._kubeconfig.split(os.pathsep))
            why = next(filter(None, reasons), f"{self._kubeconfig}: {text}")
            raise ValueError(f"no access to a cluster: kubeconfig {why}") from error
        # Watches that are under way go on by what opened them; by the next time they have ended.
        if self._former:
            await self._former.close()
        self._former, self._client = self._client, fresh

    async def call(self, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        """As ApiClient.call_api. Raises what it raises."""
        client = self._client
        try:
            response: aiohttp.ClientResponse = await client.call_api(*arguments, **options)  # type: ignore[union-attr] # read
        except aiohttp.ClientSSLError as error:
            if not await self._read_again(client, str(error)):
                raise
        else:
            if response.status != 401:
                self._refusals = 0
                return response
            if not await self._read_again(client, "401"):
                return response
            response.release()
        again: aiohttp.ClientResponse = await self._client.call_api(*arguments, **options)  # type: ignore[union-attr] # read
        if again.status != 401:
            self._refusals = 0
        elif self._refusals == 1:
            logger.error("the API server refuses the credentials of %s, also as they are read again", self.place)
        return again

    async def _read_again(self, refused: ApiClient | None, why: str) -> bool:
        """Whether there is something else to try."""
        async with self._reading:
            if self._client is not refused:
                return True
            if time.monotonic() < self._not_before:
                return False
            try:
                await self.read()
            except ValueError as error:
                if str(error) != self.problem:
                    logger.error("credentials of %s are refused (%s) and not readable: %s", self.place, why, error)
                self.problem = str(error)
            else:
                self.problem = ""
                logger.info("credentials of %s are refused (%s): read again", self.place, why)
            self._refusals += 1
            self._not_before = time.monotonic() + min(LONGEST_PAUSE, 2.0 ** (self._refusals - 1))
            return self._client is not refused


async def _configuration(kubeconfig: str, context: str) -> Configuration:
    from kubernetes_asyncio import config
    from kubernetes_asyncio.client import Configuration

    made = Configuration()
    # Each watch holds a connection as long as it lasts: with a limit, those of many namespaces would starve the acts.
    made.connection_pool_maxsize = 0
    if not kubeconfig:
        config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
        return made
    await config.load_kube_config(kubeconfig, context=context or None, client_configuration=made)
    # A file that ends in a newline, as an editor leaves it, is no header.
    made.api_key = {name: key.strip() for name, key in made.api_key.items()}
    return made
