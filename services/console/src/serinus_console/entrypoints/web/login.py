"""Signing in by a form, and out again."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from serinus_console.entrypoints.web.api import Here
from serinus_console.entrypoints.web.guard import client_of, cookie_of, same_site
from serinus_console.entrypoints.web.problems import Refused
from serinus_console.entrypoints.web.rendering import render
from serinus_console.entrypoints.web.site import Site

MAX_TOKEN = 16_384
router = APIRouter(include_in_schema=False)


def _with_form(site: Here) -> None:
    if not site.guard.by_token:
        raise Refused(404, "this console has no sign-in")


@router.get("/login", dependencies=[Depends(_with_form)])
async def show_login(request: Request, site: Here, next: str = "/") -> Response:  # noqa: A002
    """The form for a token."""
    return _form(request, site, next)


def _form(request: Request, site: Site, back: str, error: str = "", status: int = 200) -> Response:
    return render(
        request, site, "login.html", None, status, next=_local(back), error=error, audience=site.guard.audience
    )


@router.post("/login", dependencies=[Depends(_with_form)])
async def login(
    request: Request,
    site: Here,
    token: Annotated[str, Form(max_length=MAX_TOKEN)],
    next: Annotated[str, Form(max_length=1000)] = "/",  # noqa: A002
) -> Response:
    """Verify the token and begin a session; the form again, with the reason, where it is refused."""
    same_site(request)
    if wait := site.guard.logins.wait(client_of(request)):
        raise Refused(429, f"too many attempts: try again in {wait} s", Retry_After=str(wait))
    try:
        await site.guard.verified(token.strip(), request)
    except Refused as error:
        return _form(request, site, next, str(error.detail), error.status_code)
    answer = RedirectResponse(_local(next), 303)
    answer.set_cookie(
        cookie_of(request),
        await site.guard.sessions.begin(token.strip()),
        max_age=site.guard.sessions.seconds,
        httponly=True,
        samesite="strict",
        secure=_secure(request),
    )
    return answer


@router.post("/logout")
async def logout(request: Request, site: Here, csrf: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """End the session."""
    session = request.cookies.get(cookie_of(request), "")
    same_site(request)
    if session:
        if not site.guard.knows(session, csrf):
            raise Refused(403, "the form belongs to another session: reload the page")
        await site.guard.sessions.end(session)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(cookie_of(request), httponly=True, samesite="strict", secure=_secure(request))
    return answer


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _local(path: str) -> str:
    """A path of ours, never another site."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable()
    return path if safe else "/"
