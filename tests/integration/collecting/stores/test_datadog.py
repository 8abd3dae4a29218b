"""Datadog as the collector reaches it: keys, its rate limit, and answers that are none."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serinus_collecting.ports import ProviderError
from serinus_collecting.provider_auth import make_client
from serinus_collecting.providers import read_providers
from serinus_collecting.stores.datadog import USUAL_PERIOD_SECONDS, Datadog
from serinus_contracts import Selector
from serinus_counting.periods import Periods
from serinus_runtime.documents import DocumentError
from serinus_simulator.stores.datadog import DatadogApi, RateLimit
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers import served
from tests.stores import Arriving

pytestmark = pytest.mark.anyio
KEYS = ("api-key-planted", "application-key-planted")
ASKED = [Selector.parse('{"shop.requests",kube_namespace="shop"}')]
MINUTE = Periods(60_000, 120_000)


@dataclass
class Gate:
    """An API before which the tests stand: `answer` is given instead of the API's."""

    store: Arriving = field(default_factory=Arriving)
    answer: Response | None = None
    seen: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    url: str = ""

    def __post_init__(self) -> None:
        self.limit = RateLimit(1000, 60)
        self.api = DatadogApi(self.store, lambda: self.seconds, self.limit)

    async def query(self, request: Request) -> Response:
        self.seen.append(dict(request.headers))
        return self.answer or await self.api.query(request)


@pytest.fixture(scope="module")
def serving() -> Iterator[list[Gate]]:
    gates: list[Gate] = []

    async def query(request: Request) -> Response:
        return await gates[-1].query(request)

    async def metadata(request: Request) -> Response:
        return gates[-1].answer or await gates[-1].api.metadata(request)

    routes = [Route("/api/v1/query", query), Route("/api/v1/metrics/{name}", metadata)]
    with served(Starlette(routes=routes)) as url:
        gates.append(Gate(url=url))
        yield gates


@pytest.fixture
def gate(serving: list[Gate]) -> Gate:
    serving[:] = [Gate(Arriving(now=10**12), url=serving[0].url)]
    return serving[0]


@pytest.fixture
async def datadog(gate: Gate, tmp_path: Path) -> AsyncIterator[Datadog]:
    for name, key in zip(("api", "application"), KEYS, strict=True):
        (tmp_path / name).write_text(key + "\n")
    headers = {"DD-API-KEY": {"files": ["api"]}, "DD-APPLICATION-KEY": {"files": ["application"]}}
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"dd": {"url": gate.url, "api": "datadog", "http_headers": headers}}}))
    provider = read_providers(file)["dd"]
    async with make_client(provider, connections=2, timeout=5) as http:
        yield Datadog(http, str(provider.url), provider.periods, timeout=5, clock=lambda: gate.seconds)


async def failure(datadog: Datadog) -> str:
    with pytest.raises(ProviderError) as raised:
        await datadog.sums(ASKED, 60_000, 120_000)
    return str(raised.value)


async def test_the_keys_of_files_sign_in_and_a_period_of_a_minute_is_counted_two_minutes_later(
    gate: Gate, datadog: Datadog
) -> None:
    gate.store.add("shop.requests", "canary", 60_000, 3)
    (found,) = await datadog.sums(ASKED, 60_000, 120_000)
    assert dict(found.counts) == {60_000: 3}
    assert (gate.seen[0]["dd-api-key"], gate.seen[0]["dd-application-key"]) == KEYS
    assert datadog.periods == MINUTE


async def test_after_its_rate_limit_it_is_not_asked_before_the_limits_period_is_over(
    gate: Gate, datadog: Datadog
) -> None:
    gate.seconds, gate.limit.requests = 90.0, 1
    await datadog.sums(ASKED, 60_000, 120_000)
    said = await failure(datadog)
    assert "Datadog's rate limit of 1 requests in 60 s is reached: asked again in 30 s" in said
    gate.seconds = 119.0
    assert "is reached: asked again in 1 s" in await failure(datadog)
    assert len(gate.seen) == 2
    gate.seconds = 120.0
    await datadog.sums(ASKED, 60_000, 120_000)
    assert len(gate.seen) == 3


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry-After": "7"}, 7), ({"X-RateLimit-Period": "11"}, 11), ({}, USUAL_PERIOD_SECONDS)]
)
async def test_a_rate_limit_is_waited_for_by_whatever_says_how_long(
    gate: Gate, datadog: Datadog, headers: dict[str, str], seconds: float
) -> None:
    gate.answer = JSONResponse({"errors": ["Too many requests"]}, 429, headers)
    assert f"asked again in {seconds:g} s" in await failure(datadog)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"errors": ["Forbidden"]}, 403), "HTTP 403, Forbidden: it wants DD-API-KEY"),
        (JSONResponse({"errors": ["Error parsing query"]}, 400), "HTTP 400, Error parsing query"),
        (JSONResponse({"status": "error", "error": "Too many groups"}), "HTTP 200, Too many groups"),
        (JSONResponse({"status": "ok"}), "unknown form: KeyError"),
        (JSONResponse(["ok"]), "without its JSON"),
        (Response("<html>Sign in</html>", 200), "HTTP 200 without its JSON"),
        (Response("", 502), "HTTP 502 without its JSON"),
    ],
)
async def test_what_is_no_answer_is_told_in_a_sentence(
    gate: Gate, datadog: Datadog, answer: Response, said: str
) -> None:
    gate.answer = answer
    assert said in await failure(datadog)


async def test_other_periods_than_those_that_were_asked_for_are_not_counted(gate: Gate, datadog: Datadog) -> None:
    gate.store.add("shop.requests", "canary", 60_000, 3)
    gate.api.coarser = 5
    said = "Datadog answered in periods of 300 s instead of 60 s: give the provider this period"
    assert said in await failure(datadog)


def series(**other: Any) -> dict[str, Any]:
    return {"query_index": 0, "interval": 60, "pointlist": [[60_000.0, 1.0]], **other}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([series(), series()], "several series"),
        ([series(query_index=1)], "unknown form: IndexError"),
        ([series(query_index=-1)], "several series"),
        ([series(pointlist=[[60_001.0, 1.0]])], "which begins no period"),
        ([series(pointlist=[[60_000.0, 1.0], [60_000.0, 2.0]])], "which begins no period"),
        ([series(pointlist=[[60_000.0, "many"]])], "unknown form: ValueError"),
        ([series(interval=None)], "unknown form: TypeError"),
    ],
)
async def test_points_of_another_form_are_an_error(gate: Gate, datadog: Datadog, found: Any, said: str) -> None:
    gate.answer = JSONResponse({"status": "ok", "series": found})
    assert said in await failure(datadog)


async def test_a_point_without_a_value_is_none(gate: Gate, datadog: Datadog) -> None:
    gate.answer = JSONResponse({"status": "ok", "series": [series(pointlist=[[60_000.0, None], [120_000.0, 2.0]])]})
    (found,) = await datadog.sums(ASKED, 60_000, 180_000)
    assert dict(found.counts) == {120_000: 2.0}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, ""),
        (JSONResponse({"type": "rate"}), ""),
        (JSONResponse({"type": "gauge"}), "shop.requests is a gauge, whose"),
        (JSONResponse({"type": "distribution"}), "shop.requests is a distribution, whose"),
        (JSONResponse({"errors": ["Forbidden"]}, 403), ""),
        (JSONResponse([]), ""),
        (Response("<html>", 200), ""),
    ],
)
async def test_what_is_no_count_is_objected_to_where_datadog_tells_it(
    gate: Gate, datadog: Datadog, answer: Response | None, said: str
) -> None:
    gate.answer = answer
    found = await datadog.objection(ASKED[0])
    assert said in found
    assert bool(said) == bool(found)


async def test_keys_are_in_no_log_and_no_error(gate: Gate, datadog: Datadog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gate.answer = JSONResponse({"errors": [f"you sent {' and '.join(KEYS)}"]}, 400)
    assert "you sent *** and ***" in await failure(datadog)
    assert "planted" not in caplog.text


async def test_one_that_is_away_is_told() -> None:
    async with httpx.AsyncClient() as http:
        said = await failure(Datadog(http, "http://127.0.0.1:1", MINUTE, timeout=5))
    assert said.startswith("Datadog is not reachable")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"api": "datadog"}, "signed in to by http_headers DD-API-KEY and DD-APPLICATION-KEY"),
        (
            {"api": "datadog", "http_headers": {"DD-API-KEY": {"values": ["planted"]}, "dd-application-key": {}}},
            "keys of Datadog are secrets: give each by files or secrets",
        ),
        (
            {"api": "datadog", "http_headers": {"DD-API-KEY": {}, "DD-APPLICATION-KEY": {"secrets": ["planted"]}}},
            "keys of Datadog are secrets: give each by files or secrets",
        ),
        (
            {
                "api": "datadog",
                "http_headers": {
                    "DD-API-KEY": {"values": ["planted"]},
                    "dd-api-key": {"secrets": ["x"]},
                    "DD-APPLICATION-KEY": {"secrets": ["y"]},
                },
            },
            "http_headers has one header in two spellings: dd-api-key",
        ),
        ({"http_headers": {"X-Scope": {}, "x-scope": {}}}, "one header in two spellings: x-scope"),
        ({"period": 60}, "period and delay are for the sums of api datadog and cloudwatch"),
        ({"api": "graphite"}, "'prometheus', 'datadog' or 'cloudwatch'"),
    ],
)
def test_a_provider_that_fits_no_api_is_refused(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"main": {"url": "https://api.example.com", **fields}}}))
    with pytest.raises(DocumentError, match=said) as raised:
        read_providers(file)
    assert "planted" not in str(raised.value)
