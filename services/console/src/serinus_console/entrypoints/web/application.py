"""The console as a web application."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from serinus_console.entrypoints.web import api, login, pages, problems
from serinus_console.entrypoints.web.boundary import Forwarded, Hosts, MaxBody
from serinus_console.entrypoints.web.middleware import ETags, SecurityHeaders
from serinus_console.entrypoints.web.site import Site

DESCRIPTION = """Runs of canary releases, their verdicts and decisions, and commands to them.

Events are the CloudEvents of the Redis streams; `docs/schemas` has their JSON Schemas and AsyncAPI."""


def described() -> FastAPI:
    """The application without its site: enough for the OpenAPI document."""
    app = FastAPI(
        title="Serinus console",
        version="1",
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app, pages.problem_page)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.include_router(login.router)
    app.mount("/static", StaticFiles(packages=[(__package__, "static")]))
    return app


def application(site: Site, hosts: Sequence[str] = (), proxies: Sequence[str] = ()) -> ASGIApp:
    """`hosts`: names under which it answers, any if empty. `proxies`: whose forwarded headers are believed."""
    app = described()
    app.state.site = site
    identity = (site.guard.user_header, site.guard.groups_header)
    return SecurityHeaders(Hosts(Forwarded(MaxBody(ETags(app)), proxies, identity), hosts))
