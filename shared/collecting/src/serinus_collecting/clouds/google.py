"""Tokens of Google."""

import os
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from serinus_collecting.clouds.identity import REQUEST_SECONDS, TokenSource, told
from serinus_collecting.providers import GoogleIam

GOOGLE_SCOPE = "https://www.googleapis.com/auth/monitoring.read"


class GoogleTokens(TokenSource):
    """Tokens of a file, or of application default credentials."""

    needs = "monitoring.timeSeries.list, as the role roles/monitoring.viewer has it"

    def __init__(self, config: GoogleIam) -> None:
        self._config, self._last, self._described = config, "", ""
        self._credentials: Any = None

    def token(self) -> tuple[str, float]:
        with told(lambda: f"Google gave no token (tried {self._tried()})"):
            # One that fails is looked for anew: its file may have been mended.
            found, self._credentials = self._credentials or self._find(), None
            # To find those of a federation has brought a token already.
            if found.token is None or found.token == self._last:
                found.refresh(self._request)
            self._credentials, self._last = found, found.token
        self._described = _description(found)
        expiry = found.expiry
        # The library's times are UTC and say so or not.
        ends = (expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)).timestamp() if expiry else float("inf")
        return str(found.token), ends - time.time()

    def forget(self) -> None:
        self._credentials = None

    def description(self) -> str:
        return self._described

    def _find(self) -> Any:
        import google.auth

        request: Any = self._request
        if self._config.credentials_file:
            found, _ = google.auth.load_credentials_from_file(  # type: ignore[no-untyped-call]
                str(self._config.credentials_file), scopes=[GOOGLE_SCOPE], request=request
            )
        else:
            found, _ = google.auth.default(scopes=[GOOGLE_SCOPE], request=request)
        return found

    def _request(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Any = None,
        timeout: float | None = None,
        **more: Any,
    ) -> Any:
        from google.auth.transport.requests import Request

        if url.startswith("https://cloudresourcemanager."):
            # A federation is asked for its project, which nobody here wants to know.
            return _NoAnswer()
        # The library would wait two minutes.
        seconds = min(timeout or REQUEST_SECONDS, REQUEST_SECONDS)
        return Request()(url, method, body, headers, seconds, **more)

    def _tried(self) -> str:
        file = self._config.credentials_file
        if file:
            return str(file)
        named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        first = "GOOGLE_APPLICATION_CREDENTIALS" + (f"={named}" if named else "")
        return f"{first}, gcloud's file, the metadata server of workload identity"


class _NoAnswer:
    status, data = 404, b"{}"
    headers: Mapping[str, str] = {}


_GOOGLE_KINDS = {
    "service_account": "its key",
    "credentials": "the metadata server (workload identity) or a person's sign-in",
    "identity_pool": "workload identity federation",
    "impersonated_credentials": "impersonation",
}


def _description(credentials: Any) -> str:
    kind = type(credentials).__module__.rpartition(".")[2]
    email = getattr(credentials, "service_account_email", None)
    return f"Google {email or 'identity'}, by {_GOOGLE_KINDS.get(kind, kind)}"
