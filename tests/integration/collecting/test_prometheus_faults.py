"""A provider in trouble becomes one sentence, whatever it answers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_collecting import prometheus
from serinus_collecting.ports import ProviderError
from serinus_collecting.prometheus import Prometheus, _answer, read
from serinus_contracts import Selector
from serinus_runtime.clock import now_ms

from tests.servers import free_port
from tests.simulated import World, rollout, scenario, simulated

pytestmark = pytest.mark.anyio
REQUESTS = Selector(name="http_requests_total")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulated(tmp_path_factory.mktemp("world"), scenario(rollout())) as made:
        yield made


@pytest.fixture
async def provider(world: World) -> AsyncIterator[Prometheus]:
    async with httpx.AsyncClient() as http:
        yield Prometheus(http, f"{world.url}/prometheus", timeout=30)
    world.heal()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"effect": "status", "code": 503}, "Prometheus answered HTTP 503"),
        ({"effect": "status", "code": 429}, "Prometheus answered HTTP 429"),
        ({"effect": "html"}, "without its JSON: is a proxy in between?"),
    ],
)
async def test_a_failure_is_one_sentence(
    world: World, provider: Prometheus, fault: dict[str, Any], sentence: str
) -> None:
    world.fault(target="prometheus", **fault)
    with pytest.raises(ProviderError) as failed:
        (await provider.samples(REQUESTS, now_ms(), 2_000)).read()
    assert sentence in str(failed.value)


async def test_a_prometheus_that_gives_up_at_its_time_is_told_in_its_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "GRACE_SECONDS", 60)
    world.fault(target="prometheus", effect="slow", seconds=600)
    async with httpx.AsyncClient() as http:
        provider = Prometheus(http, f"{world.url}/prometheus", timeout=0.1)
        with pytest.raises(ProviderError, match="Prometheus answered HTTP 503, timeout: "):
            (await provider.samples(REQUESTS, now_ms(), 2_000)).read()
    world.heal()


async def test_a_provider_that_never_answers_is_not_waited_for_longer_than_its_timeout() -> None:
    server = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, httpx.AsyncClient() as http:
        provider = Prometheus(http, f"http://{host}:{port}", timeout=0.2)
        with pytest.raises(ProviderError, match=r"did not answer within 0\.2 s"):
            (await provider.samples(REQUESTS, now_ms(), 2_000)).read()
        server.close()


async def test_a_query_that_prometheus_refuses_is_told_in_its_words(world: World) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{world.url}/prometheus/api/v1/query", data={"query": "up[", "time": "0"})
    with pytest.raises(ProviderError, match="HTTP 400, bad_data: "):
        read(answer.status_code, answer.content)


async def test_a_partial_answer_carries_its_warnings(world: World, provider: Prometheus) -> None:
    world.fault(target="prometheus", effect="partial", share=0.3)
    assert (await provider.samples(REQUESTS, now_ms(), 2_000)).read().warnings


async def test_empty_is_empty(world: World, provider: Prometheus) -> None:
    world.fault(target="prometheus", effect="empty")
    assert (await provider.samples(REQUESTS, now_ms(), 2_000)).read().series == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=60) | st.builds(lambda result: _encoded(result), JSON))
@settings(deadline=None)
async def test_whatever_is_answered_it_is_samples_or_one_sentence(body: bytes) -> None:
    with contextlib.suppress(ProviderError):
        _answer(*read(200, body))


def _encoded(result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


async def test_values_that_are_no_numbers_are_not_counted() -> None:
    result = [{"metric": {"pod": "a"}, "values": [[1, "NaN"], [2, "5"], [3, "+Inf"]]}, {"metric": {}, "histograms": []}]
    (one,) = _answer(*read(200, _encoded(result))).series
    assert (one.times, one.values) == ([2000], [5.0])


async def test_the_password_in_a_providers_address_is_in_no_sentence() -> None:
    async with httpx.AsyncClient() as http:
        away = Prometheus(http, f"http://reader:planted@127.0.0.1:{free_port()}", timeout=1)
        with pytest.raises(ProviderError, match="not reachable") as refused:
            (await away.samples(Selector.parse("up"), 1, 1)).read()
    assert "planted" not in str(refused.value)


async def test_a_connection_that_is_cut_is_named_where_its_error_has_no_text() -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(cut)) as http:
        with pytest.raises(ProviderError, match=r"is not reachable: ReadError$"):
            (await Prometheus(http, "http://prometheus", timeout=1).samples(Selector.parse("up"), 1, 1)).read()


async def test_native_histograms_come_with_their_buckets() -> None:
    found = {"count": "7", "sum": "1.5", "buckets": [[0, "0.5", "1", "3"], [0, "1", "2", "4"]]}
    result = [{"metric": {"pod": "a"}, "histograms": [[1.5, found], [3, {"count": "0", "sum": "0"}]]}]
    answer = _answer(*read(200, _encoded(result)))
    assert answer.series == []
    (one,) = answer.histograms
    assert (one.times, one.counts, one.buckets) == ([1500, 3000], [7, 0], [[(0.5, 1, 3), (1, 2, 4)], []])
