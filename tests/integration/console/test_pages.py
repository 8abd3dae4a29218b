"""The pages as a reader without JavaScript gets them, over real HTTP and Redis."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from serinus_contracts import Channel, Counts, DataQuality, DecisionTaken, Keys, Margin, MetricVerdict
from serinus_contracts.events import SegmentVerdict

from tests.consoles import Teller, another, served
from tests.servers import redis_server
from tests.support import RUN, observed, verdict

pytestmark = pytest.mark.anyio
Start = Callable[..., Any]
PAGE = f"/runs/{RUN.id}"


class Reader(HTMLParser):
    """What a page says, and what in it would need a looser policy than the console's."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._inside = tag
        self.links += [str(named[name]) for name in ("href", "src") if name in named]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.inline.append(tag)
        self.inline += [name for name in named if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._inside != "script":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def errors(label: Any = "worse", status: Any = "ok", detail: str = "") -> MetricVerdict:
    canary, stable = Counts(events=66, trials=10_810), Counts(events=41, trials=20_400)
    channel = Channel(
        canary=canary, stable=stable, margin=Margin(ratio=1.25, absolute=0.001), log_eprocess=5.1, low=1.2, high=5.0
    )
    return MetricVerdict(
        name="errors",
        label=label,
        status=status,
        critical=True,
        share=1.0,
        log_eprocess=5.1,
        run=(channel,),
        stage=(canary, stable),
        detail=detail,
    )


async def test_a_run_says_what_it_saw_how_sure_it_is_and_what_happens_next(start: Start, teller: Teller) -> None:
    now = await teller.now()
    images = {"canary": ("example.com/shop/checkout:v2",), "stable": ("example.com/shop/checkout:v1",)}
    await teller.live(stage_started=now - 60_000, images=images, revision=7)
    console = await start()
    sentence = "abort: errors 0.61 % against 0.20 % on stable"
    said = verdict(
        end=await teller.now(),
        stage_started=now - 60_000,
        verdict="abort",
        reason="evidence",
        sentence=sentence,
        metrics=(errors(),),
    )
    await teller.tell(said)
    page = Reader((await console.until(PAGE, "errors 0.61 %")).text)
    for words in (
        "abort : errors 0.61 % against 0.20 % on stable",
        "Next: abort",
        "4,500 evaluated, number served unknown",
        "0.61 % 66 of 10,810",
        "0.2 % 41 of 20,400",
        "+0.41 pp",
        "between 1.2× and 5× the allowed rate · ≤ 1.25 × stable + 0.1 %",
        "regressed",
        "Canary checkout:v2 new , revision 7, attempt 1",
        "Stable checkout:v1 old",
        "kubectl argo rollouts get rollout checkout -n shop --watch",
        'http_requests_total{namespace="shop",pod=~"checkout-(new|old)-.*"}',
    ):
        assert words in page.text


async def test_an_evaluation_without_data_says_that_it_cannot_judge_and_why(start: Start, teller: Teller) -> None:
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start()
    blind = errors("no_data", "no_data", "no canary data since 12:03").model_copy(update={"run": (), "stage": ()})
    await teller.tell(
        verdict(
            end=await teller.now(),
            stage_started=now,
            verdict="hold",
            reason="no_data",
            sentence="hold: no canary data since 12:03",
            metrics=(blind,),
            quality=DataQuality(missing=("errors",)),
        )
    )
    page = Reader((await console.until(PAGE, "not evaluated")).text)
    assert "not evaluated: errors (no data)" in page.text
    assert "Next: stays at this weight until its metrics are back" in page.text


async def test_the_verdict_that_ended_a_run_is_not_repeated_below_the_outcome(start: Start, teller: Teller) -> None:
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start()
    await teller.tell(verdict(end=await teller.now(), verdict="abort", sentence="abort: errors 1.2 %"))
    act = {"run": RUN, "step": 1, "action": "abort", "cause": "v", "mode": "enforce", "detail": "abort: errors 1.2 %"}
    await teller.tell(DecisionTaken.model_validate({**act, "state": "confirmed", "decided": now}))
    await teller.registry.retire(observed(outcome="aborted"))
    verdict_section = (await console.until(PAGE, "Aborted by Serinus")).text.split("</section>")[0]
    assert verdict_section.count("errors 1.2") == 1


async def test_evaluations_that_have_stopped_are_told_on_both_pages(start: Start, teller: Teller) -> None:
    now = await teller.now()
    await teller.live(stage_started=now - 300_000)
    console = await start()
    await teller.tell(verdict(end=now - 240_000, stage_started=now - 300_000))
    page = Reader((await console.until(PAGE, "Last verdict")).text)
    assert "Last verdict 4 min" in page.text
    assert "Is a collector or an analyzer missing?" in page.text
    assert "analysis stalled" in Reader((await console.get("/")).text).text


async def test_runs_that_want_a_person_come_first(start: Start, teller: Teller) -> None:
    now = await teller.now()
    for name in ("fine", "waiting"):
        await teller.live(another(name), stage_started=now)
    await teller.ended(another("old"), "aborted")
    console = await start()
    await console.until("/", "aborted")  # what had ended is read after what goes on
    asked = another("waiting")
    await teller.tell(verdict(run=asked, end=await teller.now(), stage_started=now))
    await teller.tell(
        DecisionTaken(
            run=asked,
            step=1,
            action="await_approval",
            cause="v",
            detail="d",
            mode="enforce",
            state="confirmed",
            decided=1,
        )
    )
    page = Reader((await console.until("/", "needs approval")).text).text
    assert "2 in progress 1 finished" in page
    places = [page.index(f"shop/ {name}") for name in ("waiting", "fine", "old")]
    assert places == sorted(places)
    found = Reader((await console.get("/?q=WAIT")).text).text
    assert "shop/ waiting" in found
    assert "shop/ fine" not in found


async def test_many_runs_come_in_pages(start: Start, teller: Teller) -> None:
    for number in range(60):
        await teller.live(another(f"service-{number}"))
    console = await start()
    first, second = Reader((await console.until("/", "1 of 2")).text), Reader((await console.get("/?page=2")).text)
    shown = [link for page in (first, second) for link in page.links if link.startswith("/runs/")]
    assert len(shown) == len(set(shown)) == 60


async def test_an_empty_console_says_what_to_check(start: Start) -> None:
    console = await start()
    page = Reader((await console.until("/", "No runs yet")).text)
    assert "serinus validate" in page.text
    assert "Nothing matches" in (await console.get("/?q=nix")).text


async def test_the_course_is_a_table_too(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    for look in (1, 2):
        await teller.tell(verdict(end=1000 * look, evaluation=look, metrics=(errors(),)))
    page = Reader((await console.until(f"{PAGE}/course", "00:00:02")).text)
    assert "1970-01-01 00:00:02 proceed 5 % -0.50 0.61 % 0.2 %" in page.text


async def test_a_page_that_is_not_there_says_so_as_a_page(start: Start) -> None:
    console = await start()
    answer = await console.get("/runs/a/b/c/1")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "No such run is known" in Reader(answer.text).text


async def test_a_name_cannot_become_a_part_of_the_page(start: Start, teller: Teller) -> None:
    bad = "<img src=x onerror=alert(1)>"
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start()
    await teller.tell(verdict(end=await teller.now(), stage_started=now, sentence=f"proceed: {bad}"))
    for path in (PAGE, "/", "/?q=%22%3E" + bad):
        page = Reader((await console.until(path, "&lt;img" if path != "/?q=%22%3E" + bad else "Nothing matches")).text)
        assert page.inline == []
        assert "x" not in page.links


async def test_every_page_is_whole_without_anything_inline_and_links_only_to_what_is_there(
    start: Start, teller: Teller
) -> None:
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start(auth="token")
    await teller.tell(verdict(end=await teller.now(), stage_started=now, metrics=(errors(),)))
    await console.until(PAGE, "no regression seen")
    for path in ("/", PAGE, f"{PAGE}/course", "/login"):
        page = Reader((await console.get(path)).text)
        assert page.inline == []
        for link in page.links:
            if link.startswith("/"):
                assert (await console.get(link)).status_code == 200, link


async def test_redis_away_is_told_and_what_is_known_stays_readable(tmp_path: Path, keys: Keys) -> None:
    with redis_server(tmp_path) as server:
        async with Redis.from_url(server.url) as client, served(server.url, keys) as console:
            await Teller(client, keys).live()
            await console.until("/", "checkout")
            server.kill()
            page = Reader((await console.get("/")).text)
            assert "checkout" in page.text
            told = await console.get("/v1/rollouts/shop/checkout/verdict")
            assert (told.status_code, told.json()["verdict"]) == (200, "hold")
            decisions = await console.get(f"/v1/runs/{RUN.id}/decisions")
            assert (decisions.status_code, decisions.headers["content-type"]) == (503, "application/problem+json")
            assert "127.0.0.1" not in decisions.text
            assert "Error" not in decisions.text
            assert (await console.get("/readyz")).status_code == 503
            assert (await console.get("/healthz")).status_code == 200


async def test_the_worst_segments_of_a_metric_stand_below_it(start: Start, teller: Teller) -> None:
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start()
    arms = Counts(events=15, trials=347), Counts(events=5, trials=1_140)
    worst = SegmentVerdict(
        name="<b>/pay", canary=arms[0], stable=arms[1], stage=arms, worse=True, log_eprocess=9, low=1.2
    )
    by_route = errors().model_copy(update={"segment": "route", "segments": (worst,)})
    await teller.tell(verdict(end=now, stage_started=now, metrics=(by_route,)))
    page = Reader((await console.until(PAGE, "the worst by route")).text)
    assert "errors: the worst by route" in page.text
    assert "route <b>/pay 4.3 % 15 of 347 0.44 % 5 of 1,140" in page.text
    assert "at least 1.2× the allowed rate" in page.text
