"""CloudWatch as the collector reaches it: what is signed and sent, pages, and answers that are none."""

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore
import httpx
import pytest
import yaml
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import validate_parameters
from serinus_collecting.ports import ProviderError
from serinus_collecting.provider_auth import make_client
from serinus_collecting.providers import read_providers
from serinus_collecting.stores.cloudwatch import MAX_PAGES, CloudWatch
from serinus_contracts import Selector
from serinus_counting.periods import Periods
from serinus_runtime.documents import DocumentError
from serinus_simulator.stores.cloudwatch import CloudWatchApi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.clouds import REGION, signed_by
from tests.servers import served
from tests.stores import Arriving

pytestmark = pytest.mark.anyio
SECRET = "secret/planted"
ASKED = [Selector.parse('{"Shop/requests",namespace="shop",rollouts_pod_template_hash="new"}')]
FOLDER = Path(botocore.__file__).parent / "data" / "cloudwatch" / "2010-08-01"
MODEL = json.loads(gzip.decompress((FOLDER / "service-2.json.gz").read_bytes()))
OPERATION = ServiceModel(MODEL).operation_model("GetMetricData")


@dataclass
class Gate:
    """An API behind a signature; `answers` are given instead of its own."""

    store: Arriving = field(default_factory=Arriving)
    url: str = ""
    answers: list[Response] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = CloudWatchApi(self.store)

    async def handle(self, request: Request) -> Response:
        body = await request.body()
        self.signed.append(signed_by(request, body, SECRET, "monitoring"))
        self.seen.append((dict(request.headers), body))
        return self.answers.pop(0) if self.answers else await self.api.handle(request)


@pytest.fixture(scope="module")
def serving() -> Iterator[list[Gate]]:
    gates: list[Gate] = []

    async def handle(request: Request) -> Response:
        return await gates[-1].handle(request)

    with served(Starlette(routes=[Route("/", handle, methods=["POST"])])) as url:
        gates.append(Gate(url=url))
        yield gates


@pytest.fixture
def gate(serving: list[Gate]) -> Gate:
    serving[:] = [Gate(Arriving(now=10**12), serving[0].url)]
    return serving[0]


@pytest.fixture
async def cloudwatch(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudWatch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    file = tmp_path / "providers.yaml"
    provider = {"url": gate.url, "api": "cloudwatch", "sigv4": {"region": REGION}}
    file.write_text(yaml.safe_dump({"providers": {"aws": provider}}))
    found = read_providers(file)["aws"]
    async with make_client(found, connections=2, timeout=5) as http:
        yield CloudWatch(http, str(found.url), found.periods, timeout=5)


async def failure(cloudwatch: CloudWatch) -> str:
    with pytest.raises(ProviderError) as raised:
        await cloudwatch.sums(ASKED, 60_000, 120_000)
    return str(raised.value)


async def test_the_question_is_signed_for_monitoring_with_the_operation_in_the_signature(
    gate: Gate, cloudwatch: CloudWatch
) -> None:
    gate.store.add("requests", "canary", 60_000, 3)
    (found,) = await cloudwatch.sums(ASKED, 60_000, 120_000)
    assert dict(found.counts) == {60_000: 3}
    assert gate.signed == [True]
    assert "x-amz-target" in gate.seen[0][0]["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert cloudwatch.periods == Periods(60_000, 180_000)


async def test_the_question_is_the_one_that_awss_own_library_would_send(gate: Gate, cloudwatch: CloudWatch) -> None:
    await cloudwatch.sums(ASKED, 60_000, 120_000)
    headers, body = gate.seen[0]
    sent = json.loads(body)
    validate_parameters(sent, OPERATION.input_shape)
    theirs: Any = create_serializer("json").serialize_to_request(sent, OPERATION)
    assert json.loads(theirs["body"]) == sent
    # Theirs also asks for the codes that errors had before there was JSON.
    named = {name: value for name, value in theirs["headers"].items() if name != "x-amzn-query-mode"}
    assert {name: headers[name.lower()] for name in named} == named


async def test_the_answer_of_the_tests_is_one_that_awss_own_library_reads(gate: Gate, cloudwatch: CloudWatch) -> None:
    gate.store.add("requests", "canary", 60_000, 3)
    await cloudwatch.sums(ASKED, 60_000, 120_000)
    headers, body = gate.seen[0]
    async with httpx.AsyncClient() as http:
        sent = {name: value for name, value in headers.items() if name != "content-length"}
        answer = await http.post(gate.url, content=body, headers=sent)
    response = {"body": answer.content, "headers": dict(answer.headers), "status_code": 200}
    read = create_parser("json").parse(response, OPERATION.output_shape)
    (result,) = read["MetricDataResults"]
    assert ([at.timestamp() for at in result["Timestamps"]], result["Values"]) == ([60.0], [3.0])
    assert result["StatusCode"] == "Complete"


async def test_pages_are_read_to_the_last_one(gate: Gate, cloudwatch: CloudWatch) -> None:
    for minute in range(10):
        gate.store.add("requests", "canary", 60_000 * minute, minute + 1)
    gate.api.page = 4
    (found,) = await cloudwatch.sums(ASKED, 0, 600_000)
    assert (dict(found.counts), found.partial) == ({60_000 * minute: minute + 1 for minute in range(10)}, "")
    assert gate.api.asked == 3


async def test_more_pages_than_are_read_are_partial(gate: Gate, cloudwatch: CloudWatch) -> None:
    for minute in range(MAX_PAGES + 1):
        gate.store.add("requests", "canary", 60_000 * minute, 1)
    gate.api.page = 1
    (found,) = await cloudwatch.sums(ASKED, 0, 60_000 * (MAX_PAGES + 1))
    assert found.partial == f"CloudWatch's answer is partial: PartialData, it has more than {MAX_PAGES} pages"


def result(**other: Any) -> dict[str, Any]:
    return {"Id": "m0", "StatusCode": "Complete", "Timestamps": [60.0], "Values": [1.0], **other}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"MetricDataResults": [result(StatusCode="PartialData")]}, "PartialData"),
        ({"MetricDataResults": [result(Messages=[{"Code": "Late", "Value": "a shard"}])]}, "Late a shard"),
        (
            {"MetricDataResults": [result()], "Messages": [{"Code": "MaxMetricsExceeded", "Value": "too many"}]},
            "MaxMetricsExceeded too many",
        ),
    ],
)
async def test_what_is_told_to_be_partial_is_partial(
    gate: Gate, cloudwatch: CloudWatch, answer: Any, said: str
) -> None:
    gate.answers = [JSONResponse(answer)]
    (found,) = await cloudwatch.sums(ASKED, 60_000, 120_000)
    assert found.partial == f"CloudWatch's answer is partial: {said}"


def refused(kind: str, message: str, status: int = 400) -> Response:
    return JSONResponse({"__type": f"com.amazonaws.cloudwatch.v2010_08_01#{kind}", "message": message}, status)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused("ThrottlingException", "Rate exceeded"), "HTTP 400, ThrottlingException, Rate exceeded: a longer"),
        (
            refused("AccessDeniedException", "not allowed"),
            "AccessDeniedException, not allowed: it needs cloudwatch:Get",
        ),
        (refused("ValidationError", "Period"), "HTTP 400, ValidationError, Period"),
        (JSONResponse({"MetricDataResults": [result(StatusCode="InternalError")]}), "says InternalError of a metric"),
        (JSONResponse({"MetricDataResults": [result(StatusCode="Forbidden")]}), "says Forbidden of a metric"),
        (JSONResponse({"MetricDataResults": []}), "says nothing of a metric"),
        (JSONResponse({"MetricDataResults": [result(Id="m1")]}), "unknown form: KeyError"),
        (JSONResponse({"MetricDataResults": [result(Values=[])]}), "unknown form: ValueError"),
        (JSONResponse({"MetricDataResults": [result(Timestamps=[61.0])]}), "which begins no period"),
        (JSONResponse({"MetricDataResults": [result(), result()]}), "was told before"),
        (JSONResponse({}), "unknown form: KeyError"),
        (JSONResponse([]), "without its JSON"),
        (Response("<html>", 502), "HTTP 502 without its JSON"),
    ],
)
async def test_what_is_no_answer_is_told_in_a_sentence(
    gate: Gate, cloudwatch: CloudWatch, answer: Response, said: str
) -> None:
    gate.answers = [answer]
    assert said in await failure(cloudwatch)


async def test_an_identity_that_is_refused_is_named_with_what_it_needs(gate: Gate, cloudwatch: CloudWatch) -> None:
    gate.answers = [refused("AccessDenied", "not authorized", 403)] * 2
    said = await failure(cloudwatch)
    assert "HTTP 403 to AWS access key AKIAEXAMPLE, by the environment, in eu-central-1, not authorized" in said
    assert said.endswith("it needs cloudwatch:GetMetricData, as the policy CloudWatchReadOnlyAccess has it")
    assert "planted" not in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "api cloudwatch is signed in to by sigv4"),
        ({"sigv4": {}, "period": 45}, "1, 5, 10, 20 or 30 seconds, or whole minutes"),
    ],
)
def test_a_provider_that_cloudwatch_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    file = tmp_path / "providers.yaml"
    provider = {"url": "https://monitoring.eu-west-1.amazonaws.com", "api": "cloudwatch", **fields}
    file.write_text(yaml.safe_dump({"providers": {"main": provider}}))
    with pytest.raises(DocumentError, match=said):
        read_providers(file)
