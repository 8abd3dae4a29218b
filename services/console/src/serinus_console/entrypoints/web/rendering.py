"""Templates, and what every page needs of its request."""

import hashlib
from importlib.resources import files
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from serinus_contracts import wording
from serinus_contracts.weight import weight_text
from serinus_readmodel.controllers import warnings
from serinus_readmodel.outcome import outcome
from serinus_readmodel.versions import versions
from starlette.responses import HTMLResponse, Response

from serinus_console.entrypoints.web.guard import NOT_KNOWN, Asker
from serinus_console.entrypoints.web.site import Site

_templates = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def _version() -> str:
    """Changes with the style and the script, so that a browser never mixes two versions."""
    static = files(__package__).joinpath("static")
    both = b"".join(static.joinpath(name).read_bytes() for name in ("console.css", "console.js"))
    return hashlib.sha256(both).hexdigest()[:8]


_VERSION = _version()


def _static(name: str) -> str:
    return f"/static/{name}?{_VERSION}"


def _sentence(text: str) -> Markup:
    """The verdict stands out of its sentence."""
    verdict, colon, rest = text.partition(": ")
    return Markup("<b>%s</b>: %s") % (verdict, rest) if colon else escape(text)


_templates.globals |= {
    "path": Site.path,
    "static": _static,
    "sentence": _sentence,
    "versions": versions,
    "outcome": outcome,
    **{name: getattr(wording, name) for name in ("clock", "duration", "iso", "minute", "moment", "percent", "words")},
    "weight_text": weight_text,
}
for _name in _templates.list_templates():
    _templates.get_template(_name)  # compiled now: half a second that the first who looks would wait


def render(
    request: Request, site: Site, name: str, asker: Asker | None = None, status: int = 200, **fields: Any
) -> Response:
    """A page from its template, with what every page shows."""
    now = site.now()

    def ago(then: int) -> Markup:
        parts = wording.iso(then), wording.moment(then), wording.ago(then, now)
        return Markup('<time datetime="%s" title="%s" data-ago>%s</time>') % parts

    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    html = _templates.get_template(name).render(
        site=site,
        now=now,
        ago=ago,
        here=here,
        asker=asker,
        csrf=site.guard.form_token(asker.session) if asker else "",
        unable=warnings(site.runs.controllers, now),
        as_of=site.runs.heard + site.runs.offset,
        away=(site.clock() - site.runs.heard) / 1000,
        **fields,
    )
    return HTMLResponse(html, status)


async def asker_of(request: Request, site: Site) -> Asker | None:
    """Who looks; a token that is no good any more looks like nobody."""
    try:
        return await site.guard.asker(request)
    except NOT_KNOWN:
        return None
