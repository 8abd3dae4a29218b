"""The board of a console's REST API: it knows who asks by their token, and whether they may."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from serinus_contracts import (
    AnalysisPlan,
    ControllerStatus,
    DecisionTaken,
    Event,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_contracts.base import Contract
from serinus_contracts.events import Verb
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.report import Report
from serinus_readmodel.report import KeptRun
from serinus_readmodel.run_view import RunView, apply

from serinus.board import BoardError, with_details
from serinus.options import without_password

KINDS: dict[str, type[Event]] = {"rollouts": RolloutObserved, "verdicts": VerdictReached, "decisions": DecisionTaken}
TIMEOUT = 10.0
# A console says something at least every 15 s.
SILENCE = 30.0
PAGE = 500
AT_ONCE = 16
C = TypeVar("C", bound=BaseModel)


class RunDocument(Contract):
    """What is used of the console's answer about one run."""

    operator: OperatorState
    observed: RolloutObserved
    last_verdict: VerdictReached | None = None
    last_described: VerdictReached | None = None
    last_decision: DecisionTaken | None = None
    ending: DecisionTaken | None = None
    waiting: DecisionTaken | None = None


@asynccontextmanager
async def console(url: str, token_file: Path | None) -> AsyncIterator["ConsoleBoard"]:
    """Raises BoardError, also for what fails in its use."""
    token = _token(token_file)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT) as http:
            yield ConsoleBoard(http, bool(token))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BoardError(
            f"--console {without_password(url)}: write an address such as http://127.0.0.1:8080"
        ) from error
    except httpx.TransportError as error:
        why = str(error) or type(error).__name__
        raise BoardError(
            f"no console answers at {without_password(url)}: {why}\nGive its address by --console or SERINUS_CONSOLE."
        ) from error


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("SERINUS_TOKEN", "").strip()
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BoardError(f"--token-file {file}: {error.strerror}") from error


@dataclass
class ConsoleBoard:
    """Runs by the API of a console. `signed`: whether a token is sent."""

    http: httpx.AsyncClient
    signed: bool
    views: dict[str, RunView] = field(default_factory=dict)
    _position: str = ""

    async def load(self) -> None:
        # First, so that what is published while the runs are read comes by the stream, and is not missed.
        await self._begin()
        few = asyncio.Semaphore(AT_ONCE)

        async def read(run: str) -> None:
            async with few:
                await self._read(run)

        runs = [one["id"] for one in await self._items("/v1/runs")]
        self.views = {}
        await asyncio.gather(*map(read, runs))
        self.views = {run: self.views[run] for run in runs}

    async def _begin(self) -> None:
        """Where the streams are now: what comes later is news."""
        async with aclosing(self._events("")) as events:
            await anext(events, None)

    async def changes(self, block_ms: int = 500) -> AsyncGenerator[Sequence[Event], None]:
        if not self._position:
            await self._begin()
        waiting: asyncio.Queue[Event] = asyncio.Queue()
        following = asyncio.create_task(self._follow(waiting))
        try:
            while True:
                reading = asyncio.create_task(waiting.get())
                await asyncio.wait({reading, following}, timeout=block_ms / 1000, return_when="FIRST_COMPLETED")
                if following.done():
                    following.result()
                news = [reading.result()] if reading.done() else []
                reading.cancel()
                while not waiting.empty():
                    news.append(waiting.get_nowait())
                yield news
        finally:
            following.cancel()

    async def verdicts(self, run: str) -> Sequence[VerdictReached]:
        return [_read(VerdictReached, one["data"]) for one in reversed(await self._items(f"/v1/runs/{run}/verdicts"))]

    async def controllers(self) -> Mapping[str, ControllerStatus]:
        controllers = await self._get("/v1/controllers")
        return {cluster: _read(ControllerStatus, status) for cluster, status in controllers.items()}

    async def plan(self, verdict: VerdictReached) -> AnalysisPlan | None:
        return await self._plan(verdict.run.id)

    async def kept(self) -> Sequence[KeptRun]:
        return [
            KeptRun(f"{one['run']['namespace']}/{one['run']['name']}", one["id"], None if one["state"] == "live" else 0)
            for one in await self._items("/v1/runs")
        ]

    async def report(self, run: str) -> Report | None:
        answer = await self._get(f"/v1/runs/{run}/report", missing=True)
        if answer is None:
            return None
        found = _read(Report, answer)
        if found.verdict is None or found.verdict.described:
            return found
        seen = await self._get(f"/v1/runs/{run}", missing=True)
        return with_details(found, _read(RunDocument, seen).last_described if seen else None)

    async def send(
        self, view: RunView, verb: Verb, reason: str, change: Mapping[str, Any], *, force: bool = False
    ) -> str:
        """The actor is who the console finds the token to belong to."""
        body: dict[str, Any] = {"verb": verb, "step": view.observed.step, "reason": reason, "change": dict(change)}
        # Left out where it says nothing: an older console refuses what it does not know.
        body |= {"force": True} if force else {}
        answer = await self._checked(await self.http.post(f"/v1/runs/{view.id}/commands", json=body))
        return str(answer["command"]["id"])

    async def _items(self, path: str) -> Sequence[Mapping[str, Any]]:
        """Of all pages."""
        found: list[Mapping[str, Any]] = []
        following: str | None = f"{path}?limit={PAGE}"
        while following:
            page = await self._get(following)
            found += page["items"]
            following = page["next"]
        return found

    async def _read(self, run: str) -> None:
        seen = _read(RunDocument, await self._get(f"/v1/runs/{run}"))
        view = self.views.get(run)
        known = view.plan if view and view.observed.plan == seen.observed.plan else None
        self.views[run] = RunView(
            observed=seen.observed,
            plan=known or await self._plan(run),
            verdict=seen.last_verdict,
            decision=seen.last_decision,
            ending=seen.ending,
            acts={seen.waiting.action: seen.waiting} if seen.waiting else {},
            operator=seen.operator,
            described=seen.last_described,
        )

    async def _plan(self, run: str) -> AnalysisPlan | None:
        answer = await self._get(f"/v1/runs/{run}/plan", missing=True)
        return _read(AnalysisPlan, answer) if answer else None

    async def _follow(self, waiting: asyncio.Queue[Event]) -> None:
        """Take events, and go on where it ended when the console ends the stream."""
        while True:
            async with aclosing(self._events(self._position)) as events:
                async for name, data in events:
                    if name == "gap":
                        await self.load()
                        break
                    with suppress(UnreadableEntryError):
                        if name in KINDS:
                            event = from_entry(KINDS[name], {"ce": data}).data
                            await self._take(event)
                            waiting.put_nowait(event)

    async def _take(self, event: Event) -> None:
        view = self.views.get(event.run.id)
        changed = isinstance(event, RolloutObserved) and (view is None or view.observed.plan != event.plan)
        if changed or isinstance(event, DecisionTaken):
            await self._read(event.run.id)
        found = apply(self.views.get(event.run.id), event)
        if found:
            self.views[found.id] = found

    async def _events(self, after: str) -> AsyncGenerator[tuple[str, str], None]:
        """Names and data of server-sent events, until the console ends the stream; the first, `open`, says where the
        streams are. `_position` is behind the last."""
        headers = {"last-event-id": after} if after else {}
        timeout = httpx.Timeout(TIMEOUT, read=SILENCE)
        async with self.http.stream("GET", "/v1/events", headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200 or "event-stream" not in answer.headers.get("content-type", ""):
                await answer.aread()
                await self._checked(answer)
                raise BoardError(f"{self.http.base_url} tells no events: no Serinus console")
            said: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name:
                    said[name] = value
                elif said.get("event"):
                    self._position = said.get("id", self._position)
                    yield said["event"], said.get("data", "")
                    said = {}

    async def _get(self, path: str, *, missing: bool = False) -> Any:
        answer = await self.http.get(path)
        if missing and answer.status_code == 404 and _detail(answer) != "Not Found":
            return None
        return await self._checked(answer)

    async def _checked(self, answer: httpx.Response) -> Any:
        """The document, or what is wrong and the way out."""
        where, status, detail = self.http.base_url, answer.status_code, _detail(answer)
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                raise BoardError(f"{where} answers no JSON: no Serinus console") from None
        if answer.is_redirect:
            raise BoardError(f"{where} leads to {answer.headers.get('location')}: give the console's own address")
        if status == 401 and not self.signed:
            raise BoardError("the console wants to know who you are: set SERINUS_TOKEN, or give --token-file")
        if status == 401:
            raise BoardError(f"the console does not take this token: {detail}")
        if status == 403:
            raise BoardError(f"not allowed: {detail}")
        if status == 404 and detail in ("", "Not Found"):
            raise BoardError(f"{where} has no {answer.url.path}: no Serinus console, or one older than this command")
        raise BoardError(detail or f"the console answered {status}")


def _detail(answer: httpx.Response) -> str:
    """What a problem says; empty for what is none."""
    try:
        document = answer.json()
    except ValueError:
        return ""
    return str(document.get("detail", "")) if isinstance(document, dict) else ""


def _read(kind: type[C], document: Any) -> C:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BoardError(
            f"the console answers what this command does not know ({where}: {first['msg']}): are they of one version?"
        ) from None
