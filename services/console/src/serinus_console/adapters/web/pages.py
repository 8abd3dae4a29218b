"""The HTML pages: whole without JavaScript; with it, the same page is fetched again when something was told."""

import asyncio
import hashlib
import json
from collections import Counter
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic import ValidationError
from serinus_contracts.events import Verb
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serinus_console.adapters.web.api import Here, Of
from serinus_console.adapters.web.documents import course
from serinus_console.adapters.web.guard import COOKIE, Asker, same_site
from serinus_console.adapters.web.problems import Refused
from serinus_console.adapters.web.site import Site
from serinus_console.domain import metrics, overview, page, wording
from serinus_console.domain.next_step import next_step
from serinus_console.domain.state import is_stale, state_of
from serinus_console.domain.story import Story
from serinus_console.service_layer.ask import NotNowError, command, sendable

RUN = "/runs/{cluster}/{uid}/{hash_}/{attempt}"
ON_PAGE = 50
LONGEST_TOKEN = 16_384
router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]

_templates = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {
    name: getattr(wording, name) for name in ("clock", "iso", "moment", "percent", "words", "edge")
} | {"path": Site.path}


def _version() -> str:
    """Changes with the style and the script, so that a browser never mixes two versions."""
    static = files(__package__).joinpath("static")
    both = b"".join(static.joinpath(name).read_bytes() for name in ("console.css", "console.js"))
    return hashlib.sha256(both).hexdigest()[:8]


_VERSION = _version()
_templates.globals["static"] = lambda name: f"/static/{name}?{_VERSION}"


def _sentence(text: str) -> Markup:
    """The verdict stands out of its sentence."""
    verdict, colon, rest = text.partition(": ")
    return Markup("<b>{}</b>{} {}").format(verdict, colon.strip(), rest) if colon else escape(text)


_templates.globals["sentence"] = _sentence


def render(
    request: Request, site: Site, name: str, asker: Asker | None = None, status: int = 200, **fields: Any
) -> Response:
    now = site.now()

    def ago(then: int) -> Markup:
        shown = wording.ago(then, now)
        return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
            wording.iso(then), wording.moment(then), shown
        )

    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    html = _templates.get_template(name).render(
        site=site,
        now=now,
        ago=ago,
        here=here,
        asker=asker,
        csrf=site.guard.form_token(asker.session) if asker else "",
        away=(site.clock() - site.runs.heard) / 1000 if site.runs.loaded else 0,
        **fields,
    )
    return HTMLResponse(html, status)


async def asker_of(request: Request, site: Site) -> Asker | None:
    """Who looks; a token that is no good any more looks like nobody."""
    try:
        return await site.guard.asker(request)
    except Refused:
        return None


@router.get("/")
async def show_runs(
    request: Request, site: Here, q: Annotated[str, Query(max_length=200)] = "", page: Annotated[int, Query(ge=1)] = 1
) -> Response:
    now = site.now()
    found = overview.lines(site.runs.cards(), now, q)
    pages = max(1, -(-len(found) // ON_PAGE))
    shown = [overview.told(line, now) for line in found[ON_PAGE * (page - 1) : ON_PAGE * page]]
    groups = [
        ("Want a person", [line for line in shown if line.state.urgency <= 2]),
        ("Under way", [line for line in shown if 2 < line.state.urgency < 9]),
        ("Ended", [line for line in shown if line.state.urgency == 9]),
    ]
    tally = Counter("ended" if line.state.urgency == 9 else "live" for line in found)
    return render(
        request,
        site,
        "overview.html",
        await asker_of(request, site),
        lines=shown,
        groups=groups,
        tally=sorted(tally.items(), reverse=True),
        wanted=q,
        page=page,
        pages=pages,
        many=len({line.card.observed.run.cluster for line in found}) > 1,
    )


@router.get(RUN)
async def show_run(request: Request, site: Here, story: Of) -> Response:
    now, card = site.now(), story.card
    run = card.observed.run
    asker, refusal = await site.guard.may(request, run)
    stale = is_stale(card, now)
    healthy, notes = page.health(card, stale)
    latest = next(iter(site.runs.of_rollout(run.namespace, run.name)), story)
    rows = metrics.rows(card.verdict, card.plan) if card.verdict else []
    charted = {row.name for row in rows if row.canary and not row.limit}
    return render(
        request,
        site,
        "run.html",
        asker,
        card=card,
        seen=card.observed,
        said=card.verdict,
        plan=card.plan,
        state=state_of(card, now),
        next=next_step(card, now),
        stale=stale,
        later=latest.card.id if latest is not story else None,
        offers=page.offers(card),
        refusal=refusal,
        exposure=page.exposure(card),
        healthy=healthy,
        notes=notes,
        rows=rows,
        points=len(story.series),
        complete=story.first_look in (None, 1),
        course=_chart(story),
        charted=[name for name in story.series.names if name in charted],
        stages=page.stages(story),
        audit=page.audit(story, now),
        pods=page.pods(card),
        findings=page.findings(card),
        commands=_commands(story),
    )


def _commands(story: Story) -> list[str]:
    run = story.card.observed.run
    return [
        f"kubectl argo rollouts get rollout {run.name} -n {run.namespace} --watch",
        f"serinus abort {run.rollout} -m 'why'" if not story.card.observed.outcome else f"serinus retry {run.rollout}",
        f"kubectl logs -n {run.namespace} -l rollouts-pod-template-hash={run.canary_hash} --prefix --since=10m",
    ]


def _chart(story: Story) -> str:
    """The course for the charts: columns, which are short. The line of the evidence is where it aborts."""
    points = [course(point) for point in story.series]
    columns: dict[str, Any] = {"t": [point["end"] // 1000 for point in points]}
    columns["evidence"] = [[round(point["log_abort"], 2) for point in points]]
    for name in story.series.names:
        found = [point["metrics"].get(name) or {} for point in points]
        columns[f"m:{name}"] = [[one.get(arm) for one in found] for arm in ("canary", "stable")]
    plan = story.card.plan
    return json.dumps({"columns": columns, "alpha": plan.budget.false_abort if plan else None}, separators=(",", ":"))


@router.get(RUN + "/course")
async def show_course(request: Request, site: Here, story: Of) -> Response:
    series = story.series
    points = list(series)[::-1]
    run = story.card.observed.run
    asker = await asker_of(request, site)
    return render(request, site, "course.html", asker, run=run, points=points, names=series.names)


@router.post(RUN)
async def ask(
    request: Request,
    site: Here,
    story: Of,
    verb: Annotated[Verb, Form()],
    step: Annotated[int | None, Form()] = None,
    reason: Text = "",
    csrf: Text = "",
) -> Response:
    """A command by a form; then back to the run, where it is shown as asked for."""
    card = story.card
    person = await site.guard.allow(request, card.observed.run, csrf)
    try:
        # To stop or hold is about the release; to go on is about the step that the person saw.
        sendable(card, verb, step if verb in ("approve", "advance") else None, {})
        wanted = command(card, verb, person, reason, {}, site.now())
    except (NotNowError, ValidationError) as error:
        raise Refused(409, str(error)) from error
    await site.archive.send(wanted)
    for _ in range(50):
        if any(one.id == wanted.id for one in story.commands):
            break
        await asyncio.sleep(0.02)
    return RedirectResponse(f"/runs/{card.id}", 303)


@router.get("/login")
async def show_login(request: Request, site: Here, next: str = "/") -> Response:  # noqa: A002
    return _login(request, site, next)


def _login(request: Request, site: Site, back: str, error: str = "", status: int = 200) -> Response:
    if site.guard.auth not in ("token", "kubernetes"):
        raise Refused(404, "nobody signs in here")
    return render(
        request, site, "login.html", None, status, next=_local(back), error=error, audience=site.guard.audience
    )


@router.post("/login")
async def login(
    request: Request,
    site: Here,
    token: Annotated[str, Form(max_length=LONGEST_TOKEN)],
    next: Annotated[str, Form(max_length=1000)] = "/",  # noqa: A002
) -> Response:
    if site.guard.auth not in ("token", "kubernetes"):
        raise Refused(404, "nobody signs in here")
    same_site(request)
    if wait := site.guard.logins.wait(request.client.host if request.client else ""):
        raise Refused(429, f"too many attempts: try again in {wait} s", Retry_After=str(wait))
    try:
        await site.guard.verified(token.strip())
    except Refused as error:
        return _login(request, site, next, str(error.detail), error.status_code)
    answer = RedirectResponse(_local(next), 303)
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    answer.set_cookie(
        COOKIE,
        await site.guard.sessions.begin(token.strip()),
        max_age=site.guard.sessions.seconds,
        httponly=True,
        samesite="strict",
        secure=secure,
    )
    return answer


@router.post("/logout")
async def logout(request: Request, site: Here, csrf: Text = "") -> Response:
    session = request.cookies.get(COOKIE, "")
    same_site(request)
    if session:
        if not site.guard.knows(session, csrf):
            raise Refused(403, "the form is not of this session: load the page again")
        await site.guard.sessions.end(session)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _local(path: str) -> str:
    """A path of ours, never another site."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable()
    return path if safe else "/"


async def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    site: Site = request.app.state.site
    back = request.url.path if request.method == "POST" and status != 401 else "/"
    return render(
        request, site, "problem.html", await asker_of(request, site), status, title=title, detail=detail, back=back
    )
