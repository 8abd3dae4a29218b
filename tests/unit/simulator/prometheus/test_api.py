from __future__ import annotations

import pytest

from tests.unit.simulator.web import Web, run

REQUESTS = 'http_requests_total{namespace="shop"}'


def test_a_range_is_a_matrix_of_times_and_values_as_text() -> None:
    async def use(web: Web) -> None:
        answer = await web.query(f"{REQUESTS}[3s]")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["status"], body["data"]["resultType"]) == ("success", "matrix")
        assert "warnings" not in body
        assert len(body["data"]["result"]) == 8
        for one in body["data"]["result"]:
            assert one["metric"]["__name__"] == "http_requests_total"
            assert len(one["values"]) == 3
            for time, value in one["values"]:
                assert web.world.agenda.now - 3 < time <= web.world.agenda.now
                assert value == str(int(value))

    run(use)


def test_get_and_post_answer_the_same_and_a_time_moves_the_range() -> None:
    async def use(web: Web) -> None:
        parameters = {"query": f"{REQUESTS}[2s]", "time": str(web.world.agenda.now - 1)}
        got = await web.get("/prometheus/api/v1/query", **parameters)
        posted = await web.query(parameters["query"], time=parameters["time"])
        as_text = await web.query(parameters["query"], time="2027-01-15T08:00:04Z")
        assert got.json() == posted.json() == as_text.json()
        assert posted.json() != (await web.query(parameters["query"])).json()

    run(use)


def test_an_instant_is_a_vector_at_the_time_of_the_query() -> None:
    async def use(web: Web) -> None:
        body = (await web.query("up")).json()
        assert body["data"]["resultType"] == "vector"
        assert {one["value"][1] for one in body["data"]["result"]} == {"1"}
        assert {one["value"][0] for one in body["data"]["result"]} == {web.world.agenda.now}

    run(use)


def test_what_is_not_there_is_an_empty_success() -> None:
    async def use(web: Web) -> None:
        body = (await web.query("nothing[1m]")).json()
        assert body == {"status": "success", "data": {"resultType": "matrix", "result": []}}

    run(use)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"query": "up{"}, 'invalid parameter "query": 1:4: parse error: '),
        ({"query": ""}, 'invalid parameter "query": 1:1: parse error: no expression found in input'),
        ({"query": "up", "time": "soon"}, 'invalid parameter "time": cannot parse "soon" to a valid timestamp'),
        ({"query": "up", "timeout": "soon"}, 'invalid parameter "timeout": cannot parse "soon" to a valid duration'),
        ({"query": "up", "timeout": "2.5s"}, 'invalid parameter "timeout": cannot parse "2.5s" to a valid duration'),
    ],
)
def test_wrong_parameters_are_bad_data(parameters: dict[str, str], message: str) -> None:
    async def use(web: Web) -> None:
        answer = await web.query(**parameters)
        body = answer.json()
        assert (answer.status_code, body["status"], body["errorType"]) == (400, "error", "bad_data")
        assert body["error"].startswith(message)

    run(use)


def test_a_query_that_takes_longer_than_its_timeout_is_503() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="prometheus", effect="slow", seconds=10)
        early, answer = await web.waiting(web.query("up", timeout="2s"), 2)
        assert not early
        assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")
        early, answer = await web.waiting(web.query("up"), 10)
        assert not early
        assert answer.status_code == 200

    run(use)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, "bad_data"), (422, "execution"), (500, "internal"), (503, "unavailable"), (502, "internal")],
)
def test_an_error_on_command_has_prometheus_shape(code: int, kind: str) -> None:
    async def use(web: Web) -> None:
        await web.fault(target="prometheus", effect="status", code=code, calls=1)
        answer = await web.query("up")
        assert (answer.status_code, answer.json()["errorType"]) == (code, kind)
        assert (await web.query("up")).status_code == 200

    run(use)


def test_a_proxy_may_answer_html_or_429_in_its_place() -> None:
    async def use(web: Web) -> None:
        number = await web.fault(target="prometheus", effect="html")
        answer = await web.query("up")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        await web.client.delete("/world/faults", params={"id": number})
        await web.fault(target="prometheus", effect="status", code=429)
        answer = await web.query("up")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert not answer.text.startswith("{")

    run(use)


def test_answers_may_be_empty_or_miss_a_metric_or_be_partial_with_a_warning() -> None:
    async def use(web: Web) -> None:
        async def names(query: str) -> list[str]:
            body = (await web.query(query)).json()
            return [one["metric"]["__name__"] for one in body["data"]["result"]]

        whole = await names('{namespace="shop"}')
        number = await web.fault(target="prometheus", effect="empty", query="code")
        assert await names('http_requests_total{code="200"}') == []
        assert await names('{namespace="shop"}') == whole
        await web.client.delete("/world/faults", params={"id": number})
        await web.fault(target="prometheus", effect="drop", metric="http_requests_.*")
        assert await names('{namespace="shop"}') == [name for name in whole if name != "http_requests_total"]
        await web.client.delete("/world/faults")
        await web.fault(target="prometheus", effect="partial", share=0.5)
        body = (await web.query('{namespace="shop"}')).json()
        assert 0 < len(body["data"]["result"]) < len(whole)
        assert len(body["warnings"]) == 1

    run(use)


def test_it_is_ready_and_says_which_prometheus_it_stands_for() -> None:
    async def use(web: Web) -> None:
        assert (await web.get("/prometheus/-/ready")).text == "Prometheus Server is Ready.\n"
        assert (await web.get("/prometheus/-/healthy")).status_code == 200
        body = (await web.get("/prometheus/api/v1/status/buildinfo")).json()
        assert body["data"]["version"].startswith("3.")

    run(use)
