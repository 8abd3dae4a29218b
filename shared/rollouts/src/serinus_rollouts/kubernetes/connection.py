"""The way to the API server: by a kubeconfig, or as a pod. What gives access does not last, and is then read again."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any, Self

import aiohttp
from serinus_runtime.files import unreadable

from serinus_rollouts.kubernetes.session import Access, by_kubeconfig, in_pod

logger = logging.getLogger(__name__)

# A plugin may ask a cloud for its token.
READING_SECONDS = 30.0
MAX_PAUSE_SECONDS = 15.0


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
        self._access: Access | None = None
        self._former: Access | None = None
        self._reading = asyncio.Lock()
        self._refusals, self._not_before = 0, 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for access in (self._access, self._former):
            if access:
                await access.close()

    async def read(self) -> None:
        """Raises ValueError saying what is missing."""
        try:
            async with asyncio.timeout(READING_SECONDS):
                fresh = await by_kubeconfig(self._kubeconfig, self._context) if self._kubeconfig else in_pod()
        except Exception as error:  # the library's parser and plugins raise what they meet
            text = f"{type(error).__name__}: {error}" if type(error).__module__ == "builtins" else str(error)
            if not self._kubeconfig:
                raise ValueError(f"no access to a cluster: {text}; set KUBECONFIG, or run as a pod") from error
            reasons = (unreadable(Path(part).expanduser()) for part in self._kubeconfig.split(os.pathsep))
            why = next(filter(None, reasons), f"{self._kubeconfig}: {text}")
            raise ValueError(f"no access to a cluster: kubeconfig {why}") from error
        # Watches that are under way go on by what opened them; by the next time they have ended.
        if self._former:
            await self._former.close()
        self._former, self._access = self._access, fresh

    async def request(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        """As Access.request, also where what gave access has been exchanged meanwhile."""
        access = self._access
        assert access is not None, "it was read"
        try:
            response = await access.request(method, path, **options)
        except aiohttp.ClientSSLError as error:
            if not await self._read_again(access, str(error)):
                raise
        else:
            if response.status != 401:
                self._refusals = 0
                return response
            if not await self._read_again(access, "401"):
                return response
            response.release()
        again = await (self._access or access).request(method, path, **options)
        if again.status != 401:
            self._refusals = 0
        elif self._refusals == 1:
            logger.error("the API server refuses the credentials of %s, also as they are read again", self.place)
        return again

    async def _read_again(self, refused: Access, why: str) -> bool:
        """Whether there is something else to try."""
        async with self._reading:
            if self._access is not refused:
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
            self._not_before = time.monotonic() + min(MAX_PAUSE_SECONDS, 2.0 ** (self._refusals - 1))
            return self._access is not refused
