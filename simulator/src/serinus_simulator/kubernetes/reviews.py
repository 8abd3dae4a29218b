"""TokenReview and SubjectAccessReview: who a bearer token belongs to, and what a user may do.

People and their rights are part of the scenario; as a real server does, a review is answered and not kept.
"""

from __future__ import annotations

import zlib
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serinus_simulator.clock import Agenda
from serinus_simulator.kubernetes.bodies import object_of
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.units import Seconds, Settings

API_SERVER = "https://kubernetes.default.svc.cluster.local"
INVALID = "[invalid bearer token, token lookup failed]"


class Person(Settings):
    """Somebody with a token; `may` lists the namespaces whose Rollouts' status they may patch."""

    name: str
    token: str = Field(min_length=1)
    groups: tuple[str, ...] = ("system:authenticated",)
    audiences: tuple[str, ...] = (API_SERVER,)
    expires: Seconds | None = None
    """So long after the world's start the token is no good any more."""
    may: tuple[str, ...] = ()


class Reviews:
    """Who somebody is by their token, and what they may do."""

    def __init__(self, people: tuple[Person, ...], agenda: Agenda) -> None:
        self._people, self._agenda = people, agenda

    async def token(self, request: Request) -> Response:
        """POST /apis/authentication.k8s.io/v1/tokenreviews"""
        return await self._answer(request, self._token)

    async def access(self, request: Request) -> Response:
        """POST /apis/authorization.k8s.io/v1/subjectaccessreviews"""
        return await self._answer(request, self._access)

    async def _answer(self, request: Request, review: Any) -> Response:
        try:
            asked = object_of(await request.body())
        except ApiError as error:
            return JSONResponse(error.body, error.code)
        return JSONResponse({**asked, "metadata": {}, "status": review(asked.get("spec") or {})}, 201)

    def _token(self, spec: dict[str, Any]) -> dict[str, Any]:
        wanted = spec.get("audiences") or [API_SERVER]
        elapsed = self._agenda.now - self._agenda.start
        for person in self._people:
            if person.token != spec.get("token") or (person.expires is not None and elapsed >= person.expires):
                continue
            shared = [audience for audience in wanted if audience in person.audiences]
            if not shared:
                have = " ".join(person.audiences)
                error = f'token audiences ["{have}"] is invalid for the target audiences {wanted}'
                return {"user": {}, "error": f"[invalid bearer token, {error}]"}
            uid = f"uid-{zlib.crc32(person.name.encode()):08x}"
            user = {"username": person.name, "uid": uid, "groups": list(person.groups)}
            return {"authenticated": True, "user": user, "audiences": shared}
        return {"user": {}, "error": INVALID}

    def _access(self, spec: dict[str, Any]) -> dict[str, Any]:
        resource = spec.get("resourceAttributes") or {}
        known = next((person for person in self._people if person.name == spec.get("user")), None)
        right = ("patch", "argoproj.io", "rollouts", "status")
        asked = tuple(resource.get(part) for part in ("verb", "group", "resource", "subresource"))
        allowed = known is not None and asked == right and resource.get("namespace") in known.may
        return {"allowed": True, "reason": "RBAC: allowed by RoleBinding"} if allowed else {"allowed": False}
