"""The HTML pages: whole without JavaScript; with it, the same page is fetched again when something was told."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from math import isnan
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import ValidationError
from serinus_contracts.events import Verb
from serinus_readmodel import metrics, overview
from serinus_readmodel.next_step import next_step
from serinus_readmodel.outcome import last_sentence, outcome
from serinus_readmodel.reader.commands import command
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.state import is_stale, state_of
from serinus_readmodel.versions import versions
from starlette.responses import RedirectResponse, Response

from serinus_console.entrypoints.web import run_page
from serinus_console.entrypoints.web.api import Here, Of
from serinus_console.entrypoints.web.problems import Refused
from serinus_console.entrypoints.web.rendering import asker_of, render
from serinus_console.entrypoints.web.site import Site
from serinus_console.use_cases.allowed_commands import NotNowError, sendable

RUN = "/runs/{cluster}/{uid}/{hash_}/{attempt}"
ON_PAGE = 50
router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]


@router.get("/")
async def show_runs(
    request: Request, site: Here, q: Annotated[str, Query(max_length=200)] = "", page: Annotated[int, Query(ge=1)] = 1
) -> Response:
    """The overview: live runs by urgency, then finished ones; `q` filters."""
    found = overview.lines(site.runs.views(), site.now(), q)
    pages = max(1, -(-len(found) // ON_PAGE))
    shown = found[ON_PAGE * (page - 1) : ON_PAGE * page]
    groups = [
        ("Needs attention", [line for line in shown if line.state.urgency <= 2]),
        ("In progress", [line for line in shown if 2 < line.state.urgency < 9]),
        ("Finished", [line for line in shown if line.state.urgency == 9]),
    ]
    tally = Counter("finished" if line.state.urgency == 9 else "in progress" for line in found)
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
        many=len({line.view.observed.run.cluster for line in found}) > 1,
    )


@router.get(RUN)
async def show_run(request: Request, site: Here, history: Of) -> Response:
    """The page of one run."""
    now, view = site.now(), history.view
    run = view.observed.run
    asker, refusal = await site.guard.may(request, run)
    stale = is_stale(view, now)
    healthy, notes = run_page.health(view, stale)
    latest = next(iter(site.runs.of_rollout(run.namespace, run.name)), history)
    rows = metrics.rows(view.whole, view.plan) if view.whole else []
    shown = {row.name for row in rows if row.canary and not row.limit}
    charted = [name for name in history.series.names if name in shown]
    return render(
        request,
        site,
        "run.html",
        asker,
        view=view,
        seen=view.observed,
        said=view.verdict,
        plan=view.plan,
        state=state_of(view, now),
        ended=outcome(view),
        last=last_sentence(view),
        next=next_step(view, now),
        stale=stale,
        cause=run_page.cause(view),
        later=latest.view.id if latest is not history else None,
        offers=run_page.offers(view, now),
        refusal=refusal,
        exposure=run_page.exposure(view, now),
        healthy=healthy,
        notes=notes,
        rows=rows,
        points=len(history.series),
        complete=history.first_evaluation in (None, 1),
        course=_chart(history, charted),
        charted=charted,
        stages=run_page.stages(history),
        audit=run_page.audit(history, now),
        pods=run_page.pods(view),
        versions=versions(view),
        findings=run_page.findings(view),
        commands=_commands(history),
    )


def _commands(history: RunHistory) -> list[str]:
    seen = history.view.observed
    run, act = (
        seen.run,
        {None: f"serinus abort {seen.run.rollout} -m 'why'", "aborted": f"serinus retry {seen.run.rollout}"},
    )
    return [
        f"kubectl argo rollouts get rollout {run.name} -n {run.namespace} --watch",
        *([act[seen.outcome]] if seen.outcome in act else []),
        f"kubectl logs -n {run.namespace} -l rollouts-pod-template-hash={run.canary_hash} --prefix --since=10m",
    ]


def _chart(history: RunHistory, names: Sequence[str]) -> str:
    """The course for the charts: columns, which are short. The line of the evidence is where it aborts."""
    series, plan = history.series, history.view.plan
    columns: dict[str, Any] = {"t": [end // 1000 for end in series.ends]}
    columns["evidence"] = [[round(one, 2) for one in series.evidence]]
    for name in names:
        columns[f"m:{name}"] = [[None if isnan(rate) else round(rate, 6) for rate in arm] for arm in series.rates(name)]
    return json.dumps({"columns": columns, "alpha": plan.false_abort_rate if plan else None}, separators=(",", ":"))


@router.get(RUN + "/course")
async def show_course(request: Request, site: Here, history: Of) -> Response:
    """The evidence over time as a table, the newest first."""
    series = history.series
    points = list(series)[::-1]
    run = history.view.observed.run
    asker = await asker_of(request, site)
    return render(request, site, "course.html", asker, run=run, points=points, names=series.names)


@router.post(RUN)
async def ask(
    request: Request,
    site: Here,
    history: Of,
    verb: Annotated[Verb, Form()],
    step: Annotated[int | None, Form()] = None,
    reason: Text = "",
    csrf: Text = "",
) -> Response:
    """A command by a form; then back to the run, where it is shown as asked for."""
    view = history.view
    person = await site.guard.allow(request, view.observed.run, csrf)
    try:
        # To stop or hold is about the release; to go on is about the step that the person saw.
        sendable(view, verb, step if verb in ("approve", "advance") else None, {}, site.now())
        wanted = command(view, verb, person.name, reason, {}, site.now(), verified=True, groups=person.groups)
    except (NotNowError, ValidationError) as error:
        raise Refused(409, str(error)) from error
    await site.archive.send(wanted)
    for _ in range(50):
        if any(one.id == wanted.id for one in history.commands):
            break
        await asyncio.sleep(0.02)
    return RedirectResponse(f"/runs/{view.id}", 303)


async def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    """The page of an error, with a way back."""
    site: Site = request.app.state.site
    back = request.url.path if request.method == "POST" and status != 401 else "/"
    return render(
        request, site, "problem.html", await asker_of(request, site), status, title=title, detail=detail, back=back
    )
