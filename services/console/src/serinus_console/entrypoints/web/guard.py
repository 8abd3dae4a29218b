"""Who asks, and whether they may: identity from a bearer token, a browser's session or a trusted proxy.

A browser sends its session by itself, so a request that rests on one must also show that our own page sent it: by
`Sec-Fetch-Site` or `Origin`, and by a token in the form that only our page can know.
"""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import Request
from serinus_contracts import Run
from serinus_runtime.errors import RETRYABLE

from serinus_console.adapters.sessions import Sessions
from serinus_console.entrypoints.web.problems import Refused
from serinus_console.settings import Auth
from serinus_console.use_cases.limits import Limiter
from serinus_console.use_cases.ports import Directory, DirectoryError, Person

logger = logging.getLogger(__name__)

# A name that begins so is kept by the browser only if it came by HTTPS, for this host alone and all of its paths.
_COOKIES = {"https": "__Host-serinus_session", "http": "serinus_session"}
# What keeps us from knowing who looks: then the page is shown as to nobody.
NOT_KNOWN: tuple[type[Exception], ...] = (Refused, *RETRYABLE)


class Asker(NamedTuple):
    """A person, and the session by which they are known, empty for a bearer token."""

    person: Person
    session: str = ""


@dataclass(frozen=True)
class Guard:
    """Who asks and whether they may act, by the way of signing in that the settings name."""

    auth: Auth
    cluster: str
    directory: Directory
    sessions: Sessions
    commands: Limiter
    logins: Limiter
    bad_tokens: Limiter
    audience: str
    user_header: str
    groups_header: str

    @property
    def by_token(self) -> bool:
        """Whether people sign in here, by a form."""
        return self.auth in ("token", "kubernetes")

    async def asker(self, request: Request) -> Asker | None:
        """Who asks; None if nobody says who they are. Raises 401 for a token that is not good (any more), 503."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self.auth == "none":
            return None
        if self.auth == "proxy":
            return self._from_proxy(request)
        if scheme:
            if scheme.lower() != "bearer" or not token.strip():
                raise _unauthorized("the Authorization header wants: Bearer, and a token")
            return Asker(await self.verified(token.strip(), request))
        session = request.cookies.get(cookie_of(request), "")
        stored = await self.sessions.token(session) if session else None
        if stored is None:
            return None
        return Asker(await self.verified(stored, request), session)

    async def verified(self, token: str, request: Request) -> Person:
        """Whose token it is. Raises 401, 429 for a client that sent too many bad ones, 503."""
        client = client_of(request)
        if wait := self.bad_tokens.wait(client, take=False):
            raise Refused(429, f"too many tokens that are not valid: try again in {wait} s", Retry_After=str(wait))
        try:
            person = await self.directory.person(token)
        except DirectoryError as error:
            raise _not_reviewed("the token", error) from error
        if person is None:
            self.bad_tokens.wait(client)
            raise _unauthorized("invalid or expired token")
        return person

    async def allow(self, request: Request, run: Run, csrf: str | None = None) -> Person:
        """The person, if they may act on the run's Rollout. `csrf`: the token of a form.

        Raises 401, 403, 429, 503.
        """
        if self.auth == "none":
            raise Refused(403, "this console is read-only: set SERINUS_AUTH to let people act")
        asker = await self.asker(request)
        if asker is None:
            raise _unauthorized("sign in, or send a bearer token")
        if asker.session or self.auth == "proxy":
            same_site(request)
        if asker.session and (csrf is not None or _is_form(request)) and not self.knows(asker.session, csrf or ""):
            raise Refused(403, "the form belongs to another session: reload the page")
        person = asker.person
        if self._elsewhere(run):
            raise Refused(403, f"rights are asked of cluster {self.cluster}; the run is in {run.cluster}")
        try:
            allowed = await self.directory.may_act(person, run.namespace, run.name)
        except DirectoryError as error:
            raise _not_reviewed("rights", error) from error
        if not allowed:
            raise Refused(403, f"{person.name} may not patch rollouts/status of {run.rollout}")
        if wait := self.commands.wait(person.name):
            raise Refused(429, f"too many commands by {person.name}", Retry_After=str(wait))
        return person

    async def may(self, request: Request, run: Run) -> tuple[Asker | None, str]:
        """For showing a page, so nothing raises: who asks, and why they could not act, empty if they could."""
        if self.auth == "none":
            return None, "this console is read-only"
        try:
            asker = await self.asker(request)
            if asker is None:
                return None, "sign in to act"
            if self._elsewhere(run):
                return asker, f"the run is in cluster {run.cluster}, rights are asked of {self.cluster}"
            if not await self.directory.may_act(asker.person, run.namespace, run.name):
                return asker, f"{asker.person.name} may not patch rollouts/status in {run.namespace}"
        except NOT_KNOWN as error:
            return None, error.detail if isinstance(error, Refused) else "rights cannot be reviewed now"
        return asker, ""

    def _elsewhere(self, run: Run) -> bool:
        """Whether the cluster whose rights are asked is another one than the run's."""
        return self.auth != "token" and run.cluster != self.cluster

    def form_token(self, session: str) -> str:
        """What our own forms carry: made of the session, which another site's page cannot read."""
        return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest() if session else ""

    def knows(self, session: str, token: str) -> bool:
        """Whether a token of a form belongs to the session."""
        return secrets.compare_digest(self.form_token(session).encode(), token.encode())

    def _from_proxy(self, request: Request) -> Asker | None:
        names = request.headers.getlist(self.user_header)
        groups = request.headers.getlist(self.groups_header)
        if len(names) > 1 or len(groups) > 1:
            # A proxy that appends leaves the client's own header first.
            raise _unauthorized(f"{self.user_header} or {self.groups_header} came twice: the proxy must replace them")
        name = names[0].strip() if names else ""
        found = tuple(one.strip() for one in (groups[0] if groups else "").split(",") if one.strip())
        if any(one.startswith("system:") and one != "system:authenticated" for one in (name, *found)):
            raise _unauthorized("identities of the cluster itself (system:...) are not taken from a proxy")
        return Asker(Person(name, found)) if name else None


def cookie_of(request: Request) -> str:
    """The name of the session's cookie."""
    return _COOKIES.get(request.url.scheme, _COOKIES["http"])


def client_of(request: Request) -> str:
    """Who is counted as one: the address of the peer, or what a trusted proxy says of it."""
    return request.client.host if request.client else ""


def same_site(request: Request) -> None:
    """Raises 403 unless our own page sent the request, as the browser says itself."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    elif (origin := request.headers.get("origin")) and urlsplit(origin).netloc == request.headers.get("host"):
        return
    raise Refused(403, "another site's page sent this request, or none: it is not carried out")


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/"))


def _not_reviewed(what: str, error: DirectoryError) -> Refused:
    # The error names addresses, which are for the log.
    logger.warning("%s cannot be reviewed: %s", what, error)
    return Refused(503, f"{what} cannot be reviewed now, the API server does not answer: try again", Retry_After="5")


def _unauthorized(detail: str) -> Refused:
    return Refused(401, detail, WWW_Authenticate='Bearer realm="serinus"')
