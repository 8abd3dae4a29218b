"""Errors: below /v1 as problem details (RFC 9457, `application/problem+json`), elsewhere as a page."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.exceptions import OutOfMemoryError
from serinus_readmodel.reader.commands import ShareIsSentError
from serinus_runtime.errors import REDIS_IS_FULL, RETRYABLE
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    type: str = Field("about:blank", description="the status code says which kind of problem it is")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path that was asked for")


class Refused(HTTPException):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(status, detail, {name.replace("_", "-"): value for name, value in headers.items()})


def problem(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error as problem details."""
    title = HTTPStatus(status).phrase
    body = Problem(type="about:blank", title=title, status=status, detail=detail, instance=request.url.path)
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


Show = Callable[[Request, int, str, str], Awaitable[Response]]


def install(app: FastAPI, show: Show) -> None:
    """Answer every error of the application; `show` makes the page of one, given status, title and detail."""

    async def answer(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
        if request.url.path.startswith("/v1/"):
            return problem(request, status, detail, headers)
        shown = await show(request, status, HTTPStatus(status).phrase, detail)
        shown.headers.update(headers or {})
        return shown

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await answer(request, error.status_code, str(error.detail), dict(error.headers or {}))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return await answer(request, 422, "; ".join(faults))

    async def away(request: Request, error: Exception) -> Response:
        # The error names addresses, which are for the log.
        logger.warning("a request was not answered: %s: %s", type(error).__name__, error)
        return await answer(request, 503, "what the console asks does not answer now: try again", {"Retry-After": "2"})

    async def full(request: Request, error: Exception) -> Response:
        logger.warning("a request was refused: %s", error)
        return await answer(request, 507, REDIS_IS_FULL)

    async def share_is_sent(request: Request, error: Exception) -> Response:
        logger.warning("a request was refused: %s", error)
        return await answer(request, 507, str(error), {"Retry-After": "60"})

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(OutOfMemoryError, full)
    app.add_exception_handler(ShareIsSentError, share_is_sent)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in RETRYABLE:
        app.add_exception_handler(kind, away)
