"""Errors as problem details (RFC 9457): every answer below /v1 that is no success is `application/problem+json`."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from serinus_runtime.errors import RETRYABLE
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

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
    title = HTTPStatus(status).phrase
    body = Problem(type="about:blank", title=title, status=status, detail=detail, instance=request.url.path)
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(request, error.status_code, str(error.detail), dict(error.headers or {}))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return problem(request, 422, "; ".join(faults))

    async def away(request: Request, error: Exception) -> Response:
        return problem(request, 503, f"try again: {type(error).__name__}: {error}", {"Retry-After": "2"})

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in RETRYABLE:
        app.add_exception_handler(kind, away)
