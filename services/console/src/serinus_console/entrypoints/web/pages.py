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
from serinus_readmodel.run_history import Story
from serinus_readmodel.state import is_stale, state_of
from starlette.responses import RedirectResponse, Response

from serinus_console.entrypoints.web import run_page
from serinus_console.entrypoints.web.api import Here, Of
from serinus_console.entrypoints.web.problems import Refused
from serinus_console.entrypoints.web.rendering import asker_of, render
from serinus_console.entrypoints.web.site import Site
from serinus_console.use_cases.ask import NotNowError, command, sendable

RUN = "/runs/{cluster}/{uid}/{hash_}/{attempt}"
ON_PAGE = 50
router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]


@router.get("/")
async def show_runs(
    request: Request, site: Here, q: Annotated[str, Query(max_length=200)] = "", page: Annotated[int, Query(ge=1)] = 1
) -> Response:
    found = overview.lines(site.runs.cards(), site.now(), q)
    pages = max(1, -(-len(found) // ON_PAGE))
    shown = found[ON_PAGE * (page - 1) : ON_PAGE * page]
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
    healthy, notes = run_page.health(card, stale)
    latest = next(iter(site.runs.of_rollout(run.namespace, run.name)), story)
    rows = metrics.rows(card.verdict, card.plan) if card.verdict else []
    shown = {row.name for row in rows if row.canary and not row.limit}
    charted = [name for name in story.series.names if name in shown]
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
        ended=outcome(card),
        last=last_sentence(card),
        next=next_step(card, now),
        stale=stale,
        cause=run_page.cause(card),
        later=latest.card.id if latest is not story else None,
        offers=run_page.offers(card, now),
        refusal=refusal,
        exposure=run_page.exposure(card, now),
        healthy=healthy,
        notes=notes,
        rows=rows,
        points=len(story.series),
        complete=story.first_look in (None, 1),
        course=_chart(story, charted),
        charted=charted,
        stages=run_page.stages(story),
        audit=run_page.audit(story, now),
        pods=run_page.pods(card),
        versions=run_page.versions(card),
        findings=run_page.findings(card),
        commands=_commands(story),
    )


def _commands(story: Story) -> list[str]:
    seen = story.card.observed
    run, act = (
        seen.run,
        {None: f"serinus abort {seen.run.rollout} -m 'why'", "aborted": f"serinus retry {seen.run.rollout}"},
    )
    return [
        f"kubectl argo rollouts get rollout {run.name} -n {run.namespace} --watch",
        *([act[seen.outcome]] if seen.outcome in act else []),
        f"kubectl logs -n {run.namespace} -l rollouts-pod-template-hash={run.canary_hash} --prefix --since=10m",
    ]


def _chart(story: Story, names: Sequence[str]) -> str:
    """The course for the charts: columns, which are short. The line of the evidence is where it aborts."""
    series, plan = story.series, story.card.plan
    columns: dict[str, Any] = {"t": [end // 1000 for end in series.ends]}
    columns["evidence"] = [[round(one, 2) for one in series.evidence]]
    for name in names:
        columns[f"m:{name}"] = [[None if isnan(rate) else round(rate, 6) for rate in arm] for arm in series.rates(name)]
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
        sendable(card, verb, step if verb in ("approve", "advance") else None, {}, site.now())
        wanted = command(card, verb, person, reason, {}, site.now())
    except (NotNowError, ValidationError) as error:
        raise Refused(409, str(error)) from error
    await site.archive.send(wanted)
    for _ in range(50):
        if any(one.id == wanted.id for one in story.commands):
            break
        await asyncio.sleep(0.02)
    return RedirectResponse(f"/runs/{card.id}", 303)


async def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    site: Site = request.app.state.site
    back = request.url.path if request.method == "POST" and status != 401 else "/"
    return render(
        request, site, "problem.html", await asker_of(request, site), status, title=title, detail=detail, back=back
    )
