"""The API below /v1: reading is open, asking for something wants a right."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from serinus_contracts import AnalysisPlan, ControllerStatus
from serinus_contracts.report import Report
from serinus_readmodel.pull import PullVerdict, answer, find
from serinus_readmodel.reader.commands import command
from serinus_readmodel.run_history import RunHistory
from starlette.responses import Response, StreamingResponse

from serinus_console.entrypoints.web import documents as docs
from serinus_console.entrypoints.web.events import Detail, EventStream, opened, stream
from serinus_console.entrypoints.web.guard import client_of
from serinus_console.entrypoints.web.problems import MEDIA_TYPE, Problem, Refused
from serinus_console.entrypoints.web.site import Site
from serinus_console.use_cases import position
from serinus_console.use_cases.allowed_commands import NotNowError, sendable
from serinus_console.use_cases.runs import newest_first

Limit = Annotated[int, Query(ge=1, le=500)]
Part = Annotated[str, Path(max_length=253)]
Attempt = Annotated[int, Path(ge=1)]
Text = Annotated[str, Query(max_length=253)]
Hash = Annotated[str, Query(alias="hash", max_length=253, description="the canary's pod template hash")]
Before = Annotated[str, Query(pattern=r"^(\d{1,19}(-\d{1,19})?|\+)$", description="from `next` of the page before")]
LastEventId = Annotated[str, Header(description="resume after this `id`; a Redis entry id or a time in ms will do")]
RUN = "/runs/{cluster}/{uid}/{hash_}/{attempt}"


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": "a problem", "content": content} for status in statuses}


router = APIRouter(prefix="/v1", responses=_errors(422, 503))


def site_of(request: Request) -> Site:
    """What the application was made with."""
    site: Site = request.app.state.site
    return site


Here = Annotated[Site, Depends(site_of)]


def story_of(
    site: Here,
    cluster: Part,
    uid: Part,
    hash_: Part,
    attempt: Attempt,
) -> RunHistory:
    """The run of a path. Raises Refused (404) if it is not known."""
    found = site.runs.histories.get(f"{cluster}/{uid}/{hash_}/{attempt}")
    if found is None:
        raise Refused(404, "no such run is known; /v1/runs lists those that are")
    return found


Of = Annotated[RunHistory, Depends(story_of)]


@router.get("/runs", tags=["runs"], responses=_errors(409))
async def list_runs(
    site: Here,
    namespace: Text = "",
    name: Text = "",
    state: Literal["all", "live", "ended"] = "all",
    limit: Limit = 100,
    after: Text = "",
) -> docs.RunPage:
    """All known runs, live ones first, then the latest; filtered, and in pages."""
    chosen = [
        one
        for one in sorted(site.runs.histories.values(), key=newest_first)
        if namespace in ("", one.view.observed.run.namespace)
        and name in ("", one.view.observed.run.name)
        and (state == "all" or (one.view.observed.outcome is None) == (state == "live"))
    ]
    begin = next((i + 1 for i, one in enumerate(chosen) if one.view.id == after), None if after else 0)
    if begin is None:
        raise Refused(409, "after: that run is not listed any more; begin with the first page")
    page = chosen[begin : begin + limit]
    more = None
    if page and begin + limit < len(chosen):
        query = {"namespace": namespace, "name": name, "state": state, "limit": limit, "after": page[-1].view.id}
        more = str(site.path("/v1/runs", query))
    return docs.RunPage(items=[docs.summary(one) for one in page], next=more)


@router.get("/controllers", tags=["runs"])
async def list_controllers(site: Here) -> dict[str, ControllerStatus]:
    """By cluster: when its leading controller spoke last, and whether the API server is away or refuses it."""
    return dict(site.runs.controllers)


@router.get(RUN, tags=["runs"], responses=_errors(404))
async def get_run(site: Here, found: Of) -> docs.RunDocument:
    """One run: where it stands, its last verdict with all numbers, and what happens next."""
    return docs.document(found, site.now())


@router.get(RUN + "/plan", tags=["runs"], responses=_errors(404))
async def get_plan(found: Of) -> AnalysisPlan:
    """The rules that the run is judged by: the policy, resolved."""
    if found.view.plan is None:
        raise Refused(404, f"the plan {found.view.observed.plan} is not kept any more")
    return found.view.plan


@router.get(RUN + "/report", tags=["runs"], responses=_errors(404))
async def get_report(site: Here, cluster: Part, uid: Part, hash_: Part, attempt: Attempt) -> Report:
    """The run's whole history, for as long as it is kept: how it ended and why, plan, stages, verdicts, decisions."""
    try:
        found = await site.archive.report(f"{cluster}/{uid}/{hash_}/{attempt}")
    except ValueError as error:
        raise Refused(404, f"what is kept of that run is no history: {error}") from error
    if found is None:
        raise Refused(404, "nothing is kept of such a run")
    return found


@router.get(RUN + "/course", tags=["runs"], responses=_errors(404))
async def get_course(found: Of) -> docs.Course:
    """The snapshots of the run as the charts show them, thinned, and each change of verdict."""
    return docs.course_of(found)


async def told(
    site: Site, found: RunHistory, stream_: Literal["verdicts", "decisions"], before: str, limit: int
) -> docs.EventPage:
    """A page of what a stream still holds of the run, newest first."""
    page = await site.archive.told(stream_, found.view.id, before, limit)
    path = f"{docs.path_of(found.view.observed.run)}/{stream_}"
    more = site.path(path, {"before": page.next, "limit": limit}) if page.next else None
    return docs.EventPage(items=[json.loads(one) for one in page.documents], next=more)


@router.get(RUN + "/verdicts", tags=["runs"], responses=_errors(404))
async def list_verdicts(site: Here, found: Of, before: Before = "+", limit: Limit = 50) -> docs.EventPage:
    """Every verdict of the run that the stream still holds."""
    return await told(site, found, "verdicts", before, limit)


@router.get(RUN + "/decisions", tags=["runs"], responses=_errors(404))
async def list_decisions(site: Here, found: Of, before: Before = "+", limit: Limit = 50) -> docs.EventPage:
    """Every decision on the run that the stream still holds: what was done, by whom, and why."""
    return await told(site, found, "decisions", before, limit)


@router.post(RUN + "/commands", tags=["commands"], status_code=202, responses=_errors(400, 401, 403, 404, 409, 429))
async def ask(site: Here, found: Of, body: docs.CommandBody, request: Request) -> docs.CommandAnswer:
    """Ask for something. The controller answers by a decision whose cause is the command's id."""
    run = found.view.observed.run
    person = await site.guard.allow(request, run)
    try:
        sendable(found.view, body.verb, body.step, body.change, site.now(), force=body.force)
    except NotNowError as error:
        raise Refused(409, str(error)) from error
    wanted = command(
        found.view,
        body.verb,
        person.name,
        body.reason,
        body.change,
        site.now(),
        force=body.force,
        verified=True,
        groups=person.groups,
    )
    await site.archive.send(wanted)
    return docs.CommandAnswer(command=wanted, decisions=f"{docs.path_of(run)}/decisions")


@router.get("/rollouts/{namespace}/{name}/verdict", tags=["argo"])
async def pull(
    site: Here, namespace: str, name: str, response: Response, hash_: Hash = "", cluster: Text = ""
) -> PullVerdict:
    """For Argo's web metric: `proceed` and `abort` are about the present step of the live run and fresh;
    anything else is `hold` or `unknown`. Always 200 with JSON, never a redirect."""
    response.headers["Cache-Control"] = "no-store"
    if not site.runs.loaded:
        return PullVerdict(verdict="unknown", reason="starting", sentence="the console has not read the runs yet")
    return answer(find(site.runs.views(), namespace, name, hash_, cluster), f"{namespace}/{name}", site.now())


def events_of(site: Site, request: Request, run: str | None, last_event_id: str, data: Detail) -> Response:
    """The stream of news of one run, or of all. Raises Refused: 422 for an id that is none, 429 and 503 for too many
    streams of this client and of all."""
    try:
        after = position.read(last_event_id) if last_event_id else None
    except ValueError as error:
        raise Refused(422, str(error)) from error
    feed = opened(site.runs, run, client_of(request))
    return EventStream(site.runs, feed, stream(site.client, site.keys, site.runs, site.clock, feed, after, data))


sse: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "server-sent events: `rollouts`, `verdicts`, `decisions`, `commands` with a CloudEvent as "
        "data (with `data=brief` only the run), `gap` where entries were not resent and the runs are to be read again, "
        "since they were `trimmed` meanwhile or `too many` (`why`; 1,000 of a stream are resent); `open` first and "
        "`heartbeat` every 5 s say whether Redis answers (`redis`), when it last did (`as_of`), `now`, and "
        "the end of the newest verdict (`verdict`); times in ms by Redis' clock",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/events", tags=["events"], responses=sse | _errors(429), response_class=StreamingResponse)
async def events(site: Here, request: Request, last_event_id: LastEventId = "", data: Detail = "full") -> Response:
    """What is told of all runs, as it is told."""
    return events_of(site, request, None, last_event_id, data)


@router.get(RUN + "/events", tags=["events"], responses=sse | _errors(404, 429), response_class=StreamingResponse)
async def run_events(
    site: Here, request: Request, found: Of, last_event_id: LastEventId = "", data: Detail = "full"
) -> Response:
    """What is told of one run, as it is told."""
    return events_of(site, request, found.view.id, last_event_id, data)
