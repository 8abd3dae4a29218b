"""The Kubernetes API over HTTP: paths, verbs and parameters on one side, the object store on the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from serinus_simulator.clock import Agenda
from serinus_simulator.faults import Faults
from serinus_simulator.kubernetes import access_review, discovery, failures, paging
from serinus_simulator.kubernetes.bodies import object_of, patch_of
from serinus_simulator.kubernetes.calls import Call, CallLog
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import Kind, Object
from serinus_simulator.kubernetes.objects import ObjectStore
from serinus_simulator.kubernetes.selectors import Match, field_selector, label_selector
from serinus_simulator.kubernetes.targets import Target, call_of, target_of
from serinus_simulator.kubernetes.watch import Watch, encode
from serinus_simulator.pauses import sleep

Delete = Callable[[str, str], Object]


class JsonResponse(Response):
    """JSON without spaces, as an API server writes it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content)


class DroppedConnection(Response):
    """Promises a body and sends none, which makes the server break the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"kind":', "more_body": True})


class KubernetesApi:
    """Serves every path below /api and /apis, and /version."""

    def __init__(
        self,
        store: ObjectStore,
        agenda: Agenda,
        faults: Faults,
        *,
        bookmark_interval: float = 60.0,
        watch_timeout: float = 2400.0,
    ) -> None:
        self.calls = CallLog()
        self.deleters: dict[Kind, Delete] = {}
        self._store = store
        self._agenda = agenda
        self._faults = faults
        self._bookmark_interval = bookmark_interval
        self._watch_timeout = watch_timeout
        self._watches: set[Watch] = set()

    async def handle(self, request: Request) -> Response:
        """Answer any request; an error becomes a Status."""
        self._agenda.catch_up()
        try:
            return await self._answer(request)
        except ApiError as error:
            return JsonResponse(error.body, status_code=error.code, headers=_retry_after(error.code))

    def close_watches(self, error: ApiError | None = None) -> int:
        """End every open watch, with an ERROR event where an error is given."""
        open_watches = list(self._watches)
        for watch in open_watches:
            if error is None:
                watch.close()
            else:
                watch.fail(error)
        return len(open_watches)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.rstrip("/")
        if request.method == "GET" and (document := discovery.document(self._store.kinds, path)) is not None:
            return JsonResponse(document)
        if request.method == "POST" and path == access_review.REVIEWS:
            return JsonResponse(access_review.review(object_of(await request.body()), self._faults), status_code=201)
        target = target_of(path, self._store.find_kind)
        if target is None:
            return PlainTextResponse("404 page not found\n", status_code=404)
        call = call_of(request.method, target, watching=_flag(request.query_params.get("watch")))
        self.calls.add(call)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if (broken := await self._fault("before", call, token)) is not None:
            return broken
        response = await self._carry_out(request, target, call.verb)
        if (broken := await self._fault("after", call, token)) is not None:
            return broken
        return response

    async def _fault(self, when: str, call: Call, token: str) -> Response | None:
        hits = self._faults.kubernetes(when, call.verb, call.rbac_resource, call.namespace, call.name, token)
        for fault in hits:
            if fault.effect == "slow":
                await sleep(self._agenda, fault.seconds)
            elif fault.effect == "drop":
                return DroppedConnection()
            else:
                raise ApiError(fault.code, fault.message) if fault.message else failures.of_code(fault.code, call)
        return None

    async def _carry_out(self, request: Request, target: Target, verb: str) -> Response:
        kind, namespace, name, sub = target.kind, target.namespace, target.name, target.subresource
        if verb == "watch":
            return self._watch(request, target)
        if verb == "list":
            return self._list(request, target)
        if verb == "get":
            return JsonResponse(self._store.get(kind, namespace, name))
        if verb == "create" and bool(namespace) is kind.namespaced:
            body = object_of(await request.body())
            if (body.get("metadata") or {}).get("namespace", namespace) != namespace:
                message = "the namespace of the provided object does not match the namespace sent on the request"
                raise failures.bad_request(message)
            return JsonResponse(self._store.create(kind, namespace, body), status_code=201)
        if verb == "update":
            body = object_of(await request.body())
            return JsonResponse(self._store.replace(kind, namespace, name, body, sub))
        if verb == "patch":
            change = patch_of(kind, request.headers.get("content-type", ""), await request.body())
            return JsonResponse(self._store.modify(kind, namespace, name, change, sub))
        if verb == "delete" and name:
            return self._delete(target)
        raise ApiError(405, "the server does not allow this method on the requested resource")

    def _delete(self, target: Target) -> Response:
        kind = target.kind
        if (deleter := self.deleters.get(kind)) is not None:
            self._store.get(kind, target.namespace, target.name)
            return JsonResponse(deleter(target.namespace, target.name))
        gone = self._store.delete(kind, target.namespace, target.name)
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": gone["metadata"]["uid"]}
        if not kind.group:
            del details["group"]
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return JsonResponse(body)

    def _watch(self, request: Request, target: Target) -> Response:
        query = request.query_params
        watch = Watch(
            self._store,
            self._agenda,
            target.kind,
            target.namespace or None,
            _match(request, target.name),
            bookmarks=_flag(query.get("allowWatchBookmarks")),
            seconds=_number(query.get("timeoutSeconds"), "timeoutSeconds") or self._watch_timeout,
            bookmark_interval=self._bookmark_interval,
        )
        initial_events = _flag(query.get("sendInitialEvents"))
        end_bookmark = _flag(query.get("allowWatchBookmarks"))
        watch.start(query.get("resourceVersion"), initial_events=initial_events, end_bookmark=end_bookmark)
        self._watches.add(watch)
        watch.on_close(lambda: self._watches.discard(watch))
        return StreamingResponse(watch.stream(), media_type="application/json")

    def _list(self, request: Request, target: Target) -> Response:
        query, kind = request.query_params, target.kind
        match = _match(request, "")
        namespace, revision, start = target.namespace or None, self._store.revision, ("", "")
        asked = _number(query.get("resourceVersion"), "resourceVersion")
        if token := query.get("continue"):
            revision, start = paging.continued(token)
            try:
                objects = self._store.objects_at(kind, namespace, revision)
            except ApiError:
                raise paging.expired(start) from None
        elif asked and query.get("resourceVersionMatch") == "Exact":
            objects, revision = self._store.objects_at(kind, namespace, int(asked)), int(asked)
        elif asked and asked > revision:
            raise ApiError(504, f"Too large resource version: {asked:.0f}, current: {revision}")
        else:
            objects = self._store.objects(kind, namespace)
        chosen = [obj for obj in objects if _name(obj) >= start and match(obj)]
        metadata: Object = {"resourceVersion": str(revision)}
        limit = int(_number(query.get("limit"), "limit") or 0)
        if limit and len(chosen) > limit:
            metadata["continue"] = paging.token(revision, _name(chosen[limit]))
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(chosen) - limit
            chosen = chosen[:limit]
        body = {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": metadata, "items": chosen}
        return JsonResponse(body)


def _match(request: Request, name: str) -> Match:
    labels = label_selector(request.query_params.get("labelSelector", ""))
    fields = field_selector(request.query_params.get("fieldSelector", ""))
    return lambda obj: (not name or obj["metadata"]["name"] == name) and labels(obj) and fields(obj)


def _flag(text: str | None) -> bool:
    """As Go reads it; kubernetes_asyncio writes True."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def _number(text: str | None, parameter: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        message = f'{parameter}: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise failures.bad_request(message) from None


def _name(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _retry_after(code: int) -> dict[str, str] | None:
    return {"Retry-After": "1"} if code == 429 else None
