"""Names of Prometheus 3: counted where a provider holds them, one sentence with the way out where it does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from serinus_collecting.answers import counted
from serinus_collecting.ports import ProviderError
from serinus_collecting.prometheus import ASK_AGAIN_SECONDS, Prometheus, UnknownNamesError
from serinus_contracts import Bucketed, Counted, Distribution, Matcher, Proportion, Run, Selector
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage
from serinus_runtime.clock import now_ms

from tests.servers import sampled, served, wait_until
from tests.simulated import World, rollout, scenario, simulated

pytestmark = pytest.mark.anyio
NAMES = {
    "requests": "http.server.requests",
    "code_label": "http.status",
    "latency": "http.server.duration",
    "hash_label": "pod hash",
}
POLICY = """
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: dotted}
spec:
  match: {namespace: shop}
  source: {preset: pod-hash, label: '"pod hash"'}
  metrics:
  - {name: errors, events: '{"http.server.requests","http.status"=~"5.."}', trials: '{"http.server.requests"}'}
  - {name: latency, preset: http-latency, metric: http.server.duration_bucket}
"""
DOTTED = Selector.parse('{"http.server.requests",namespace="shop"}')


def world_of(folder: Path, version: str) -> Any:
    prometheus = {"scrape_interval": "500ms", "version": version}
    return simulated(folder, scenario(rollout(metrics=NAMES), prometheus=prometheus))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("new"), "3.0.0") as made:
        yield made


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("old"), "2.42.0") as made:
        yield made


async def test_counts_of_quoted_names_are_taken_and_so_is_their_past(new: World) -> None:
    address = f"{new.url}/prometheus"
    new.release()
    new.wait_for_pause(1)
    status = new.status()
    canary, stable = status["currentPodHash"], status["stableRS"]
    of_canary = DOTTED.where(Matcher(label="pod hash", value=canary))
    wait_until(lambda: [len(row["values"]) for row in sampled(address, f"{of_canary}[9s]")][:1] >= [5], 30, "scrapes")
    (policy,) = load_text(POLICY, "policy.yaml")
    run = Run(
        cluster="c", namespace="shop", name="checkout", uid="u", canary_hash=canary, stable_hash=stable, attempt=1
    )
    plan = resolve(policy, run, (Stage(50, 0, (1,), False),))
    end = now_ms() - 500
    async with httpx.AsyncClient() as http:
        provider = Prometheus(http, address, timeout=5)
        for metric in plan.metrics:
            assert isinstance(metric.source, Counted | Bucketed)
            answer = (await provider.samples(metric.source.query, end, 5_000)).read()
            series = counted(plan, metric, answer)
            found = measure(MetricWindow(plan, metric, Span(end - 1_500, end - 1_500, end), {}, 500, {}), series)
            assert isinstance(found, Proportion | Distribution)
            assert found.status == "ok", found
            assert all((found.canary, found.stable))
        errors = plan.metrics[0]
        assert isinstance(errors.source, Counted)
        assert errors.source.history is not None
        past = (await provider.sums(errors.source.history, ("pod hash", "http.status"), end, 3_000, 1_000)).read()
    assert {frozenset(one.labels) for one in past.series} == {frozenset({"pod hash", "http.status"})}


async def test_an_older_prometheus_is_not_asked_and_the_sentence_says_what_to_do(old: World) -> None:
    address = f"{old.url}/prometheus"
    wait_until(lambda: sampled(address, "up[5s]"), 30, "a scrape")
    async with httpx.AsyncClient() as http:
        provider = Prometheus(http, address, timeout=5)
        with pytest.raises(ProviderError) as refused:
            await provider.samples(DOTTED, now_ms(), 5_000)
        assert str(refused.value) == (
            "names with other characters than letters, digits and _ need Prometheus 3 or VictoriaMetrics 1.117, and "
            "this is Prometheus 2.42.0: update it, or name the metric and labels as they are stored there, such as "
            "http_server_requests"
        )
        with pytest.raises(ProviderError, match=r"this is Prometheus 2\.42\.0"):
            await provider.sums(DOTTED, ("pod hash",), now_ms(), 60_000, 10_000)
        assert (await provider.samples(Selector(name="up"), now_ms(), 5_000)).read().series


VICTORIA_METRICS = b'{"status":"success","data":{"version":"2.24.0"}}'
PROMETHEUS_3 = b'{"status":"success","data":{"version":"3.5.0","goVersion":"go1.24"}}'
NOTHING = {"status": "success", "data": {"resultType": "matrix", "result": []}}


class Silent:
    """One that does not tell what it is, and answers queries with this."""

    def __init__(self, status: int, body: object, about: bytes = VICTORIA_METRICS) -> None:
        self.status, self.body, self.about = status, body, about
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        self.asked.append(scope["path"])
        query = scope["path"].endswith("/query")
        body = orjson.dumps(self.body) if query else self.about
        start = {"type": "http.response.start", "status": self.status if query else 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def test_what_refuses_quoted_names_without_telling_its_version_gets_the_same_way_out() -> None:
    # As a VictoriaMetrics before 1.117 does.
    refusal = 'labelFilterExpr: unexpected token "\\"http.server.requests\\""; want "ident"'
    with served(Silent(422, {"status": "error", "errorType": "422", "error": refusal})) as url:
        async with httpx.AsyncClient() as http:
            provider = Prometheus(http, url, timeout=5)
            with pytest.raises(ProviderError) as refused:
                (await provider.samples(DOTTED, now_ms(), 5_000)).read()
    assert refusal in str(refused.value)
    assert "need Prometheus 3 or VictoriaMetrics 1.117: update it, or name" in str(refused.value)


async def test_a_provider_is_asked_once_what_it_is_and_only_for_quoted_names() -> None:
    app = Silent(200, {"status": "success", "data": {"resultType": "matrix", "result": []}})
    with served(app) as url:
        async with httpx.AsyncClient() as http:
            provider = Prometheus(http, url, timeout=5)
            for selector in (Selector(name="up"), DOTTED, DOTTED, Selector(name="up")):
                (await provider.samples(selector, now_ms(), 5_000)).read()
    assert [path.rpartition("/")[2] for path in app.asked] == ["query", "buildinfo", "query", "query", "query"]


@pytest.mark.parametrize("about", [b"not found", b"[]", b'{"data":"' + b"x" * (9 << 20) + b'"}'])
async def test_a_provider_that_does_not_tell_what_it_is_is_asked_again_after_a_while_and_not_at_each_query(
    about: bytes,
) -> None:
    app, now = Silent(200, NOTHING, about), [0.0]
    with served(app) as url:
        async with httpx.AsyncClient() as http:
            provider = Prometheus(http, url, timeout=5, clock=lambda: now[0])
            for now[0] in (0, 1, ASK_AGAIN_SECONDS):
                (await provider.samples(DOTTED, now_ms(), 5_000)).read()
    assert [path.rpartition("/")[2] for path in app.asked].count("buildinfo") == 2


@pytest.mark.parametrize(
    ("about", "status", "kind", "text", "too_old"),
    [
        (VICTORIA_METRICS, 400, "bad_data", 'invalid parameter "query": 1:2: parse error: unexpected string', True),
        (VICTORIA_METRICS, 422, "execution", "query processing would load too many samples into memory", False),
        (PROMETHEUS_3, 422, "execution", "query processing would load too many samples into memory", False),
        (PROMETHEUS_3, 400, "bad_data", 'invalid parameter "query": 1:2: parse error: unexpected string', False),
    ],
)
async def test_only_a_query_that_cannot_be_read_by_what_does_not_tell_its_version_is_blamed_on_the_version(
    about: bytes, status: int, kind: str, text: str, too_old: bool
) -> None:
    with served(Silent(status, {"status": "error", "errorType": kind, "error": text}, about)) as url:
        async with httpx.AsyncClient() as http:
            with pytest.raises(ProviderError) as refused:
                (await Prometheus(http, url, timeout=5).samples(DOTTED, now_ms(), 5_000)).read()
    assert text in str(refused.value)
    assert isinstance(refused.value, UnknownNamesError) is too_old


async def test_a_grouping_by_names_that_an_older_prometheus_cannot_read_is_not_asked_either() -> None:
    about = b'{"status":"success","data":{"version":"2.42.0","goVersion":"go1.19"}}'
    app = Silent(200, NOTHING, about)
    with served(app) as url:
        async with httpx.AsyncClient() as http:
            for label in ("pod hash", "inf", "without"):
                with pytest.raises(UnknownNamesError, match=r"this is Prometheus 2\.42\.0"):
                    await Prometheus(http, url, timeout=5).sums(Selector(name="up"), (label,), now_ms(), 60_000, 10_000)
    assert not [path for path in app.asked if path.endswith("/query")]
