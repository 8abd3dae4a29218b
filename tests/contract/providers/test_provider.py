"""What every metrics provider must do: the simulator's query API and a real Prometheus pass the same suite."""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from serinus_collecting.asking import Asked, selector_of
from serinus_collecting.ports import ProviderError
from serinus_collecting.prometheus import Prometheus
from serinus_contracts import Matcher, Selector
from serinus_counting.resets import Span
from serinus_runtime.clock import now_ms

from tests.servers import free_port, prometheus_server, sampled, wait_until
from tests.simulated import World, rollout, scenario, simulated
from tests.support import ERRORS, plan

pytestmark = pytest.mark.anyio


@dataclass
class Place:
    world: World
    url: str


@pytest.fixture(scope="module", params=["simulator", "prometheus"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    config = folder / "prometheus.yml"
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(simulated(folder, scenario(rollout()), "--prometheus-config", str(config)))
        url = f"{world.url}/prometheus"
        if request.param == "prometheus":
            url = stack.enter_context(prometheus_server(folder, config))
        wait_until(lambda: len(rows(url)) >= 3, 60, "the pods to be scraped three times")
        yield Place(world, url)


def rows(url: str, scrapes: int = 3) -> list[dict[str, Any]]:
    return [row for row in sampled(url, "http_requests_total[10s]") if len(row["values"]) >= scrapes]


def scraped_until(url: str) -> int:
    """A moment (ms) up to which every pod has been scraped, however busy the machine is."""
    wait_until(lambda: len(rows(url)) >= 3, 60, "the pods to be scraped")
    return min(round(1000 * float(row["values"][-1][0])) for row in rows(url))


def whole_second(url: str) -> int:
    """One (ms) before which every pod has been scraped for some seconds."""
    wait_until(lambda: len(rows(url, 12)) >= 3, 60, "the pods to be scraped for five seconds and more")
    return scraped_until(url) // 1000 * 1000


@pytest.fixture
async def provider(place: Place) -> AsyncIterator[Prometheus]:
    async with httpx.AsyncClient() as http:
        yield Prometheus(http, place.url, timeout=30)


REQUESTS = Selector.parse('http_requests_total{namespace="shop"}')


async def test_raw_samples_of_every_series_come_with_their_labels_in_order(place: Place, provider: Prometheus) -> None:
    end = scraped_until(place.url)
    answer = (await provider.samples(REQUESTS, end, 3_000)).read()
    assert len({one.labels["pod"] for one in answer.series}) == 3
    for one in answer.series:
        assert one.labels["__name__"] == "http_requests_total"
        assert list(one.times) == sorted(set(one.times))
        assert end - 3_000 <= one.times[0] <= one.times[-1] <= end
        assert list(one.values) == sorted(one.values)
    assert answer.warnings == []


async def test_the_samples_are_those_that_the_pods_showed(place: Place, provider: Prometheus) -> None:
    end = scraped_until(place.url)
    answer = (await provider.samples(REQUESTS, end, 3_000)).read()
    whole = place.world.truth.read_text().rpartition("\n")[0]  # the last line may still be being written
    truth = [json.loads(line) for line in whole.splitlines()]
    for one in answer.series:
        series = f'http_requests_total{{code="{one.labels["code"]}"}}'
        shown = {
            scrape["values"].get(series) for scrape in truth if scrape["ok"] and scrape["pod"] == one.labels["pod"]
        }
        assert set(one.values) <= shown


async def test_one_query_fetches_two_names_and_matchers_narrow_it(provider: Prometheus) -> None:
    names = Matcher(label="__name__", op="=~", value="http_requests_total|http_request_duration_seconds_count")
    both = (await provider.samples(Selector(matchers=(names,)), now_ms(), 5_000)).read()
    assert {one.labels["__name__"] for one in both.series} == set(names.value.split("|"))
    failed = REQUESTS.where(Matcher(label="code", op="=~", value="5.."))
    assert {one.labels["code"] for one in (await provider.samples(failed, now_ms(), 5_000)).read().series} <= {"500"}


async def test_metrics_that_are_asked_for_together_come_as_if_each_were_asked_for_by_itself(
    place: Place, provider: Prometheus
) -> None:
    selectors = [REQUESTS, Selector.parse('http_request_duration_seconds_bucket{namespace="shop"}')]
    metrics = tuple(
        ERRORS.model_copy(update={"name": f"m{at}", "source": ERRORS.source.model_copy(update={"query": one})})
        for at, one in enumerate(selectors)
    )
    end, window = scraped_until(place.url), Span(0, 0, 0)
    both = selector_of(plan(metrics=metrics), [Asked(metric, window, 0, None) for metric in metrics])
    together = (await provider.samples(both, end, 3_000)).read()
    assert frozenset([one.labels["__name__"] for one in together.series]) == both.names
    for selector in selectors:
        alone = (await provider.samples(selector, end, 3_000)).read().series
        assert [one for one in together.series if one.labels["__name__"] == selector.name] == alone


async def test_sums_by_labels_come_at_each_multiple_of_the_step_with_both_ends(
    place: Place, provider: Prometheus
) -> None:
    end = whole_second(place.url)
    answer = (await provider.sums(REQUESTS, ("pod", "code", "absent"), end, 2_000, 1_000)).read()
    raw = (await provider.samples(REQUESTS, end, 10_000)).read()
    assert len({one.labels["pod"] for one in answer.series}) == 3
    for one in answer.series:
        assert set(one.labels) == {"pod", "code"}
        if one.labels["code"] == "200":
            assert list(one.times) == list(range(end - 2_000, end + 1, 1_000))
        (same,) = (other for other in raw.series if one.labels.items() <= other.labels.items())
        shown = [max(t for t in same.times if t <= time) for time in one.times]
        assert [same.values[same.times.index(time)] for time in shown] == list(one.values)


async def test_sums_of_several_series_are_added_up_and_names_may_tell_them_apart(
    place: Place, provider: Prometheus
) -> None:
    names = Matcher(label="__name__", op="=~", value="http_requests_total|http_request_duration_seconds_count")
    end = whole_second(place.url)
    answer = (await provider.sums(Selector(matchers=(names,)), ("__name__",), end, 1_000, 1_000)).read()
    values = {one.labels["__name__"]: list(one.values) for one in answer.series}
    assert values["http_requests_total"] == values["http_request_duration_seconds_count"]


async def test_a_sum_that_takes_too_long_is_a_provider_error(place: Place) -> None:
    async with httpx.AsyncClient() as http:
        provider = Prometheus(http, place.url, timeout=0.000_1)
        with pytest.raises(ProviderError, match="did not answer within"):
            (await provider.sums(REQUESTS, ("pod",), now_ms(), 2_000, 1_000)).read()


async def test_nothing_found_is_an_empty_answer_not_an_error(provider: Prometheus) -> None:
    assert (await provider.samples(Selector(name="no_such_metric"), now_ms(), 5_000)).read().series == []


async def test_a_value_with_quotes_stays_a_value(provider: Prometheus) -> None:
    odd = REQUESTS.where(Matcher(label="pod", value='x"} or up{job="\\'))
    assert (await provider.samples(odd, now_ms(), 5_000)).read().series == []


async def test_a_name_in_quotes_stays_a_name_or_is_refused_in_one_sentence_by_what_is_too_old(
    place: Place, provider: Prometheus
) -> None:
    odd = Selector(name='x"} or {"up', matchers=(Matcher(label='a"="", "b', value="c"),))
    async with httpx.AsyncClient() as http:
        version = (await http.get(f"{place.url}/api/v1/status/buildinfo")).json()["data"]["version"]
    if version.startswith("2."):
        with pytest.raises(ProviderError, match=f"need Prometheus 3 .* this is Prometheus {re.escape(version)}"):
            await provider.samples(odd, now_ms(), 5_000)
    else:
        assert (await provider.samples(odd, now_ms(), 5_000)).read().series == []


async def test_an_address_where_nobody_listens_is_a_provider_error() -> None:
    async with httpx.AsyncClient() as http:
        provider = Prometheus(http, f"http://127.0.0.1:{free_port()}", timeout=30)
        with pytest.raises(ProviderError, match="Prometheus is not reachable"):
            (await provider.samples(REQUESTS, now_ms(), 5_000)).read()
