"""Clouds on loopback: what gives credentials and tokens for an identity, and a Prometheus that checks what came of it.

The signature is reckoned from AWS' description of Signature Version 4 alone, not by the library that made it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

EMPTY = {"status": "success", "data": {"resultType": "matrix", "result": []}}
REGION, SERVICE = "eu-central-1", "aps"
ACCOUNT = "collector@shop.iam.gserviceaccount.com"


def signed_by(request: Request, body: bytes, secret: str, service: str = SERVICE) -> bool:
    """Whether the request carries the signature that this secret makes of it (SigV4, header form)."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if found is None:
        return False
    _, day, region, of, names, signature = found.groups()
    at = request.headers["x-amz-date"]
    age = abs(datetime.now(UTC) - datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    if (region, of) != (REGION, service) or not at.startswith(day) or age > timedelta(minutes=5):
        return False
    if not {"host", "x-amz-date"} <= set(names.split(";")):
        return False
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names.split(";"))
    path = quote(quote(unquote(request.url.path), safe="/~"), safe="/~")
    query = "&".join(sorted(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in parse_qsl(request.url.query)))
    canonical = "\n".join([request.method, path, query, headers, names, hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), signature)


def claims(token: str, key: RSAPublicKey) -> dict[str, Any]:
    """What a JSON Web Token says, if this key signed it by RS256. Raises InvalidSignature."""
    head, said, signature = token.split(".")

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    key.verify(decoded(signature), f"{head}.{said}".encode(), PKCS1v15(), SHA256())
    assert json.loads(decoded(head))["alg"] == "RS256"
    found: dict[str, Any] = json.loads(decoded(said))
    return found


@dataclass
class Cloud:
    """What it has given out, and what it wants to see: `key` is Google's account's and the cluster's issuer's."""

    key: RSAPublicKey | None = None
    lifetime: float = 3600
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    asked: int = 0
    forbids: bool = False
    away: bool = False
    echoes: bool = False
    held: threading.Event | None = None

    @property
    def app(self) -> Starlette:
        posts: dict[str, Callable[[Request], Any]] = {
            "/api/v1/query": self.query,
            "/workspaces/ws-1/api/v1/query": self.query,
            "/": self.sts,
            "/google/token": self.google_key,
            "/google/sts": self.google_federation,
            "/tenant/oauth2/v2.0/token": self.azure_workload,
        }
        gets: dict[str, Callable[[Request], Any]] = {
            "/v1/credentials": self.pod_identity,
            "/computeMetadata/v1/{path:path}": self.google_metadata,
            "/metadata/identity/oauth2/token": self.azure_managed,
            "/tenant/v2.0/.well-known/openid-configuration": self.azure_about,
        }
        return Starlette(
            routes=[
                *(Route(path, call, methods=["POST"]) for path, call in posts.items()),
                *(Route(path, call, methods=["GET"]) for path, call in gets.items()),
                Route("/", lambda _: PlainTextResponse("ok", headers={"Metadata-Flavor": "Google"})),
            ]
        )

    async def query(self, request: Request) -> Response:
        self.asked += 1
        body = await request.body()
        if self.echoes:
            sent = " ".join(request.headers.get(name, "") for name in ("x-amz-security-token", "authorization"))
            return JSONResponse({"message": f"you sent {sent.strip()}"}, 403)
        if self.forbids:
            return JSONResponse({"message": "is not authorized to perform: aps:QueryMetrics"}, 403)
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind == "Bearer" and self.tokens.get(shown, 0) > time.time():
            return JSONResponse(EMPTY)
        id_ = shown.partition("=")[2].partition("/")[0]
        secret, session = self.secrets.get(id_, ("", ""))
        if signed_by(request, body, secret) and request.headers.get("x-amz-security-token", "") == session:
            return JSONResponse(EMPTY)
        return JSONResponse({"message": "The security token included in the request is invalid"}, 403)

    def new_secret(self, how: str) -> tuple[str, str, str, str]:
        self.given.append(how)
        number = len(self.given)
        key = f"ASIA{number:016d}", f"secret/{number}+planted", f"session-{number}"
        self.secrets[key[0]] = key[1:]
        ends = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        return *key, ends.strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_token(self, how: str) -> dict[str, Any]:
        self.given.append(how)
        token = f"token-{len(self.given)}-planted"
        self.tokens[token] = time.time() + self.lifetime
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    async def sts(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        action = form["Action"]
        if action == "AssumeRoleWithWebIdentity":
            assert self.key is not None
            how = f"{form['RoleArn']} to {claims(form['WebIdentityToken'], self.key)['sub']}"
        else:
            how = f"{form['RoleArn']} to {form['RoleSessionName']}"
        if self.away:
            self.given.append("nothing")
            if self.held:
                await asyncio.to_thread(self.held.wait, 60)
            error = "<Error><Code>AccessDenied</Code><Message>no trust in this subject</Message></Error>"
            return Response(f"<ErrorResponse>{error}</ErrorResponse>", 403, media_type="text/xml")
        id_, secret, session, ends = self.new_secret(how)
        inner = f"<AccessKeyId>{id_}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
        inner += f"<SessionToken>{session}</SessionToken><Expiration>{ends}</Expiration>"
        inner = f"<Credentials>{inner}</Credentials>"
        return Response(
            f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>", media_type="text/xml"
        )

    async def pod_identity(self, request: Request) -> Response:
        assert self.key is not None
        subject = claims(request.headers["authorization"], self.key)["sub"]
        id_, secret, session, ends = self.new_secret(f"pod of {subject}")
        return JSONResponse({"AccessKeyId": id_, "SecretAccessKey": secret, "Token": session, "Expiration": ends})

    async def google_key(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        assert self.key is not None
        said = claims(form["assertion"], self.key)
        assert said["exp"] > time.time()
        return JSONResponse(self.new_token(f"{said['iss']} for {said['scope']}"))

    async def google_federation(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        assert self.key is not None
        return JSONResponse(self.new_token(f"{claims(form['subject_token'], self.key)['sub']} for {form['scope']}"))

    async def google_metadata(self, request: Request) -> Response:
        assert request.headers["metadata-flavor"] == "Google"
        path, flavor = request.path_params["path"], {"Metadata-Flavor": "Google"}
        if path.endswith("/token"):
            return JSONResponse(self.new_token("metadata server"), headers=flavor)
        if path.endswith("project-id"):
            return PlainTextResponse("shop", headers=flavor)
        if path.startswith("universe"):
            return PlainTextResponse("googleapis.com", headers=flavor)
        account = {"email": ACCOUNT, "scopes": ["https://www.googleapis.com/auth/monitoring.read"], "aliases": []}
        return JSONResponse(account, headers=flavor)

    async def azure_managed(self, request: Request) -> Response:
        if request.headers.get("metadata") != "true":
            return JSONResponse({"error": "invalid_request"}, 400)
        asked = request.query_params
        token = self.new_token(f"managed {asked.get('client_id', 'node')} for {asked['resource']}")
        ends = str(int(time.time() + self.lifetime))
        return JSONResponse({**token, "expires_in": str(token["expires_in"]), "expires_on": ends})

    async def azure_about(self, request: Request) -> Response:
        base = f"https://{request.headers['host']}/tenant"
        return JSONResponse(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "issuer": f"{base}/v2.0",
                "tenant_region_scope": "EU",
            }
        )

    async def azure_workload(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        assert self.key is not None
        subject = claims(form["client_assertion"], self.key)["sub"]
        return JSONResponse(self.new_token(f"{form['client_id']} to {subject} for {form['scope'].split()[0]}"))
