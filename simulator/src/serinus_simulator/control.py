"""The control API below /world, and the pages that a real Prometheus reads: pods' metrics and service discovery."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from serinus_simulator.faults import FAULTS
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.watch import encode
from serinus_simulator.world.application import Application
from serinus_simulator.world.metrics_page import CONTENT_TYPE, PAGES, text
from serinus_simulator.world.states import Served
from serinus_simulator.world.world import World


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReleaseBody(_Body):
    """A new image for a rollout."""

    namespace: str
    name: str
    image: str


class RestartBody(_Body):
    """A pod by its name, or by its number among the running pods of an arm."""

    namespace: str
    pod: str | None = None
    rollout: str | None = None
    arm: str = "canary"
    number: int = 0


Answer = Callable[["Control", Request], Awaitable[Response]]


def _now(answer: Answer) -> Answer:
    """The answer of the world as it is by now; what is wrong with a request is refused with its reason."""

    @wraps(answer)
    async def answered(control: Control, request: Request) -> Response:
        control._world.catch_up()
        try:
            return await answer(control, request)
        except ValidationError as error:
            return _refused(400, str(error))
        except ApiError as error:
            return _refused(error.code, str(error))

    return answered


class Control:
    """Answers what only a simulated world can be asked."""

    def __init__(self, world: World) -> None:
        self._world = world

    @_now
    async def world(self, _: Request) -> Response:
        """GET /world"""
        world = self._world
        now, start = world.agenda.now, world.agenda.start
        return _json(
            {
                "seed": world.seed,
                "now": now,
                "started": start,
                "elapsed": now - start,
                "revision": world.store.revision,
                "rollouts": [self._rollout(app) for app in world.apps.values()],
                "faults": [active.describe(now) for active in world.faults.active()],
                "scenario": world.scenario.model_dump(mode="json", by_alias=True, exclude_none=True),
            }
        )

    @_now
    async def rollouts(self, _: Request) -> Response:
        """GET /world/rollouts"""
        return _json({"rollouts": [self._rollout(app) for app in self._world.apps.values()]})

    @_now
    async def truth(self, request: Request) -> Response:
        """GET /world/truth: scrapes since a time in milliseconds"""
        query = request.query_params
        try:
            since = int(float(query.get("since", "0")))
        except ValueError:
            return _refused(400, "since is a time in milliseconds")
        scrapes = self._world.truth.since(since, query.get("namespace"), query.get("rollout"))
        lines = (encode(scrape.describe()) + b"\n" for scrape in list(scrapes))
        return StreamingResponse(_in_parts(lines), media_type="application/jsonl")

    @_now
    async def faults(self, request: Request) -> Response:
        """GET, POST and DELETE /world/faults"""
        world = self._world
        if request.method == "DELETE":
            number = request.query_params.get("id")
            return _json({"cleared": world.faults.clear(int(number) if number else None)})
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
                faults = FAULTS.validate_python(body if isinstance(body, list) else [body])
            except (ValueError, ValidationError) as error:
                return _refused(400, str(error))
            added = [world.add_fault(fault).describe(world.agenda.now) for fault in faults]
            return _json({"faults": added}, 201)
        return _json({"faults": [active.describe(world.agenda.now) for active in world.faults.active()]})

    async def calls(self, request: Request) -> Response:
        """GET and DELETE /world/calls"""
        log = self._world.kubernetes.calls
        if request.method == "DELETE":
            log.clear()
        return _json({"calls": log.describe()})

    @_now
    async def release(self, request: Request) -> Response:
        """POST /world/release"""
        body = ReleaseBody.model_validate_json(await request.body())
        made = self._world.release(body.namespace, body.name, body.image)
        return _json({"generation": made["metadata"]["generation"]})

    @_now
    async def restart_pod(self, request: Request) -> Response:
        """POST /world/restart-pod"""
        world = self._world
        body = RestartBody.model_validate_json(await request.body())
        if body.pod is not None:
            world.cluster.restart(body.namespace, body.pod)
            return _json({"pod": body.pod})
        return _json({"pod": world.restart_pod(body.namespace, body.rollout or "", body.arm, body.number)})

    @_now
    async def metrics(self, request: Request) -> Response:
        """GET /pods/NAMESPACE/POD/PAGE"""
        world = self._world
        found = world.find_pod(request.path_params["namespace"], request.path_params["pod"])
        page = PAGES.get(request.path_params["page"])
        if found is None or page is None or not page.answers(found[1]):
            return PlainTextResponse("no such pod answers\n", status_code=404)
        app, state = found
        row = page.read(app, state)
        by = request.headers.get("user-agent", "unknown")
        world.scraper.record(app, state, page, by, row)
        return Response(text(page.series(app.spec), row), headers={"content-type": CONTENT_TYPE})

    @_now
    async def discovery(self, request: Request) -> Response:
        """GET /sd: targets for Prometheus' HTTP service discovery"""
        address = f"{request.url.hostname}:{request.url.port or 80}"
        groups = [
            {
                "targets": [address],
                "labels": labels | {"__metrics_path__": f"/pods/{state.namespace}/{state.name}/{page.path}"},
            }
            for state, page, labels in self._world.targets()
        ]
        return _json(groups)

    def _rollout(self, app: Application) -> dict[str, Any]:
        rollout, served = app.rollout, app.served()
        shown: dict[str, Any] = {
            "namespace": app.spec.namespace,
            "name": app.spec.name,
            "exists": rollout is not None,
            "weight": app.weight,
            "unserved_requests": round(app.unserved),
            "served": {pod_hash: _served(app, one) for pod_hash, one in served.items()},
            "run": self._run(app, served),
            "pods": [
                {
                    "name": state.name,
                    "hash": state.hash,
                    "arm": app.arm(state),
                    "ready": state.ready_since is not None,
                    "restarts": state.restarts,
                    "requests": state.counters.total.requests,
                    "errors": state.counters.total.error_count,
                }
                for state in app.pods.values()
                if not state.gone
            ],
        }
        if app.spec.sessions is not None:
            shown["lost_conversions"] = app.lost_conversions
        if rollout is not None:
            status = rollout.status
            shown |= {
                "phase": status.get("phase"),
                "message": status.get("message"),
                "step": status.get("currentStepIndex"),
                "steps": len(rollout.steps),
                "abort": bool(status.get("abort")),
                "stable_hash": rollout.stable_hash,
                "canary_hash": None if rollout.fully_promoted else rollout.current_hash,
                "weights": rollout.weights,
            }
        return shown

    def _run(self, app: Application, served: dict[str, Served]) -> dict[str, Any] | None:
        """What each arm served in the run, to its end or until now: the canary's requests are the exposed ones."""
        run = app.run
        if run is None:
            return None
        arms = {arm: _served(app, one) for arm, one in run.arms(served).items()}
        return {"number": run.number, "hash": run.hash, "started": run.started, "ended": run.ended, **arms}


def _served(app: Application, served: Served) -> dict[str, int]:
    """Requests and errors, and of the rest what the scenario has."""
    shown = {"requests": served.requests, "errors": served.errors}
    if app.spec.noise.retries is not None:
        shown["retries"] = served.retries
    if app.spec.sessions is not None:
        shown |= {"sessions": served.sessions, "conversions": served.conversions}
    return shown


async def _in_parts(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Many lines at a time, with a turn for others in between."""
    while part := b"".join(itertools.islice(lines, 200)):
        yield part


def _json(value: Any, code: int = 200) -> Response:
    return Response(encode(value), status_code=code, media_type="application/json")


def _refused(code: int, message: str) -> Response:
    return _json({"error": message}, code)
