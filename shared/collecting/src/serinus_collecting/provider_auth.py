"""HTTP clients that reach a provider as its configuration says. No message of here holds a secret."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import httpx
from pydantic import SecretStr

from serinus_collecting.clouds.aws import AwsIdentity
from serinus_collecting.clouds.azure import AzureTokens
from serinus_collecting.clouds.google import GoogleTokens
from serinus_collecting.clouds.identity import CloudIdentity, TokenIdentity
from serinus_collecting.masking import SECRETS, masked
from serinus_collecting.ports import ProviderError
from serinus_collecting.providers import Header, OAuth2, Provider, TlsConfig
from serinus_collecting.tokens import Tokens
from serinus_collecting.transport import AiohttpTransport

# Of what a provider says as it refuses; more is a page for a browser.
_MAX_REFUSAL_BYTES = 2000
_REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
# Between two looks for another identity of a cloud where one is refused.
LOOK_ANEW_SECONDS = 60.0


def make_client(provider: Provider, *, connections: int, timeout: float) -> httpx.AsyncClient:
    """A client for one provider; redirects are not followed, since they would carry credentials elsewhere."""
    limits = httpx.Limits(max_connections=connections)
    return httpx.AsyncClient(
        auth=ProviderAuth(provider, timeout=timeout),
        transport=_transport(provider.tls_config, limits),
        follow_redirects=False,
    )


def secret(inline: SecretStr | None, file: Path | None) -> str:
    """A secret as it is now. Raises ProviderError if its file cannot be read any more."""
    if inline is not None:
        return inline.get_secret_value()
    assert file is not None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8"
        raise ProviderError(f"the secret in {file} cannot be read: {reason}") from None


def _sendable(value: str, what: str) -> str:
    # Of what no header can hold, the HTTP library would tell the value.
    if not value.isascii() or not value.isprintable():
        raise ProviderError(f"{what} cannot be sent in a header: it is not one line of printable ASCII")
    return value


class ProviderAuth(httpx.Auth):
    """Adds a provider's credentials and headers to each request."""

    def __init__(self, provider: Provider, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock, self._look_anew_at = clock, float("-inf")
        self._identity = _identity_of(provider)
        asked = ClientCredentials(provider.oauth2, timeout=timeout) if provider.oauth2 else None
        self._tokens = Tokens(asked, clock=clock) if asked else None

    async def identity(self) -> str | None:
        """Which identity of a cloud the provider sees, None where it is none. Raises ProviderError."""
        return None if self._identity is None else await self._identity.describe()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        _named(request, self._provider.tls_config)
        for name, header in self._provider.http_headers.items():
            values = [_sendable(value, f"http_headers {name}") for value in _values(header)]
            request.headers[name] = ", ".join(values)
            if header.secrets or header.files:
                request.extensions[SECRETS] = [*request.extensions.get(SECRETS, ()), *values]
        if self._identity is not None:
            await request.aread()
            await self._identity.authorize(request)
            response = yield request
            if response.status_code in _REFUSALS and self._clock() >= self._look_anew_at:
                # Rotated or revoked before its time; what it may not do it may not do again either.
                self._look_anew_at = self._clock() + LOOK_ANEW_SECONDS
                self._identity.refused()
                await self._identity.authorize(request)
                response = yield request
            await self._check_entry(response, self._identity)
        elif self._tokens is None:
            self._authorize(request)
            yield request
        else:
            token = await self._tokens.token()
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code == httpx.codes.UNAUTHORIZED:
                # Revoked before its time.
                self._tokens.forget(token)
                request.headers["Authorization"] = f"Bearer {await self._tokens.token()}"
                yield request

    async def _check_entry(self, response: httpx.Response, identity: CloudIdentity) -> None:
        """Raises ProviderError where an identity is refused, with what the provider says and what is wanted."""
        if response.status_code in _REFUSALS:
            reason = await _refusal(response)
            raise ProviderError(
                f"the provider answered HTTP {response.status_code} to {await identity.describe()}{reason}: it needs "
                f"{identity.needs}"
            )

    def _authorize(self, request: httpx.Request) -> None:
        basic, given = self._provider.basic_auth, self._provider.authorization
        if basic:
            _basic(request, basic.username, secret(basic.password, basic.password_file))
        elif given:
            credentials = _sendable(secret(given.credentials, given.credentials_file), "the secret of authorization")
            request.headers["Authorization"] = f"{given.type} {credentials}"


def _identity_of(provider: Provider) -> CloudIdentity | None:
    """The identity by which a provider is reached, if by one of a cloud."""
    if provider.sigv4:
        service = "monitoring" if provider.api == "cloudwatch" else "aps"
        return AwsIdentity(provider.sigv4, provider.url.host or "", service)
    if provider.google_iam:
        return TokenIdentity(GoogleTokens(provider.google_iam))
    return TokenIdentity(AzureTokens(provider.azuread)) if provider.azuread else None


class ClientCredentials:
    """OAuth2 access tokens by client credentials."""

    def __init__(self, config: OAuth2, *, timeout: float) -> None:
        self._config, self._timeout = config, timeout

    async def __call__(self) -> tuple[str, float]:
        url = str(self._config.token_url)
        try:
            async with (
                asyncio.timeout(2 * self._timeout),
                httpx.AsyncClient(transport=_transport(self._config.tls_config, httpx.Limits())) as http,
            ):
                response = await self._requested(http, url)
            document = response.json()
            if response.is_success:
                return _sendable(str(document["access_token"]), "the access token"), _seconds(document)
            refused = f", {_sendable(str(document['error']), 'the answer')[:60]}"
        except (httpx.HTTPError, TimeoutError) as error:
            raise ProviderError(f"the token endpoint {url} is not reachable: {type(error).__name__}") from None
        except (ValueError, TypeError, KeyError):
            refused = " without its JSON" if not response.is_success else " without an access_token"
        raise ProviderError(f"the token endpoint {url} answered HTTP {response.status_code}{refused}")

    async def _requested(self, http: httpx.AsyncClient, url: str) -> httpx.Response:
        """Credentials in the header, as RFC 6749 wants it of all; then in the body, for those that know only that."""
        config = self._config
        form = {"grant_type": "client_credentials", **config.endpoint_params}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        password = secret(config.client_secret, config.client_secret_file)
        request = http.build_request("POST", url, data=form, timeout=self._timeout)
        _basic(request, quote_plus(config.client_id), quote_plus(password))
        _named(request, config.tls_config)
        response = await http.send(request)
        if response.status_code not in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):
            return response
        form |= {"client_id": config.client_id, "client_secret": password}
        request = http.build_request("POST", url, data=form, timeout=self._timeout)
        _named(request, config.tls_config)
        return await http.send(request)


def _seconds(document: dict[str, object]) -> float:
    """How long a token lives; one that does not say is used until it is refused."""
    given = document.get("expires_in")
    return float(str(given)) if given is not None else float("inf")


async def _refusal(response: httpx.Response) -> str:
    """What a cloud's API says as it refuses, empty where it says nothing that can be read."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_REFUSAL_BYTES:
            return ""
    try:
        said = json.loads(body)
        said = said.get("error", said)
        message = said if isinstance(said, str) else said.get("message") or said.get("Message")
    except (ValueError, AttributeError):
        return ""
    return f", {' '.join(masked(str(message), response.request).split())[:300]}" if message else ""


def _basic(request: httpx.Request, username: str, password: str) -> None:
    next(httpx.BasicAuth(username, password).auth_flow(request))


def _values(header: Header) -> Iterator[str]:
    yield from header.values
    yield from (secret(one, None) for one in header.secrets)
    yield from (secret(None, one) for one in header.files)


def _named(request: httpx.Request, tls: TlsConfig) -> None:
    if tls.server_name:
        request.extensions["sni_hostname"] = tls.server_name


def _transport(tls: TlsConfig, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
    if tls != TlsConfig():
        return ReloadingTransport(tls, limits)
    return AiohttpTransport(httpx.create_ssl_context(), limits, trust_env=True)


class ReloadingTransport(httpx.AsyncBaseTransport):
    """Connections by a `TlsConfig`, made again when one of its files has changed.

    Requests under way end on the connections that they began on; these are closed at the change after.
    """

    def __init__(self, tls: TlsConfig, limits: httpx.Limits) -> None:
        self._tls, self._limits = tls, limits
        self._files = [file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file]
        self._seen: list[tuple[int, int]] | None = None
        self._now: AiohttpTransport | None = None
        self._before: AiohttpTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await (await self._current()).handle_async_request(request)

    async def _current(self) -> AiohttpTransport:
        try:
            seen = [(found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files)]
            if self._now is not None and seen == self._seen:
                return self._now
            made = AiohttpTransport(_context(self._tls), self._limits)
        except OSError as error:  # ssl.SSLError is one
            raise ProviderError(f"tls_config cannot be used: {getattr(error, 'reason', None) or error}") from None
        retired, self._before, self._now, self._seen = self._before, self._now, made, seen
        if retired:
            await retired.aclose()
        return made

    async def aclose(self) -> None:
        for transport in (self._before, self._now):
            if transport:
                await transport.aclose()


def _context(tls: TlsConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file) if tls.ca_file else httpx.create_ssl_context()
    if tls.insecure_skip_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if tls.cert_file:
        # A key with a password would be asked for at a terminal that is not there.
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    return context
