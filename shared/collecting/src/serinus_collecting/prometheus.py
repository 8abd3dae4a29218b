"""A Prometheus, or what speaks its query API. Every failure becomes one sentence that a verdict can carry."""

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from time import monotonic
from typing import Any, Literal

import httpx
import orjson
from serinus_contracts import Selector
from serinus_contracts.base import Millis
from serinus_contracts.selector import in_grouping
from serinus_counting.native_histograms import Bucket, Histogram
from serinus_counting.series import Series

from serinus_collecting.bodies import read_body
from serinus_collecting.masking import masked
from serinus_collecting.ports import Answer, ProviderError, TooMuchError, Unread, Values

MAX_VALUES = 1000
# Each is read for every window; a thousand pods with ten codes have as many.
MAX_SERIES = 20_000
# Between two questions what one is that did not tell.
ASK_AGAIN_SECONDS = 300.0
# For a Prometheus that gives up when we would, to say so.
GRACE_SECONDS = 1.0
NAMES_NEED = "names with other characters than letters, digits and _ need Prometheus 3 or VictoriaMetrics 1.117"
RENAME = "update it, or name the metric and labels as they are stored there, such as http_server_requests"


class UnknownNamesError(ProviderError):
    """The provider is too old for the names that a policy gives."""


class Prometheus:
    """Raw samples by instant queries on range selectors; each may take `timeout` seconds; no redirects."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        *,
        timeout: float,
        compression: Literal["identity", "gzip"] = "identity",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._client = client
        self._url = url.rstrip("/") + "/api/v1/query"
        self._build_url = url.rstrip("/") + "/api/v1/status/buildinfo"
        self._timeout, self._compression = timeout, compression
        self._clock, self._ask_at, self._asking = clock, float("-inf"), asyncio.Lock()
        self._holds_all_names = False

    async def samples(self, selector: Selector, end: Millis, reach_ms: int) -> Unread[Answer]:
        reader = await self._reader(selector.quotes_names)
        return Unread(*await self._query(f"{selector}[{reach_ms}ms]", end), reader)

    async def sums(
        self, selector: Selector, by: Sequence[str], end: Millis, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        # Since Prometheus 3 a range does not hold its own beginning: one millisecond more, and all versions do.
        labels = [in_grouping(label) for label in by]
        query = f"sum by ({','.join(labels)}) ({selector})[{reach_ms + 1}ms:{step_ms}ms]"
        quoted = selector.quotes_names or any(label.startswith('"') for label in labels)
        try:
            async with asyncio.timeout(self._timeout):
                reader = await self._reader(quoted)
                return Unread(*await self._query(query, end), reader)
        except TimeoutError:
            raise ProviderError(f"Prometheus did not answer within {self._timeout:g} s") from None

    async def values(self, query: str, at: Millis) -> Unread[Values]:
        return Unread(*await self._query(query, at), _read_values)

    async def _query(self, query: str, at: Millis) -> tuple[int, bytes]:
        # A duration with a decimal, "2.5s", is refused.
        form = {"query": query, "time": f"{at / 1000:.3f}", "timeout": f"{round(1000 * self._timeout)}ms"}
        return await self._post(form)

    async def _reader(self, quoted: bool) -> Callable[[int, bytes], Answer]:
        """How an answer is read. Raises ProviderError where names are quoted that this Prometheus would not hold."""
        if quoted and not self._holds_all_names:
            async with self._asking:
                await self._check_names()
        return _read_answer_of_quoted_names if quoted and not self._holds_all_names else _read_answer

    async def _check_names(self) -> None:
        """Ask what this is, unless it has told or was asked just now; one that is too old is asked again each time."""
        if self._clock() < self._ask_at:
            return
        self._ask_at = self._clock() + ASK_AGAIN_SECONDS
        try:
            status, body = await self._bounded("GET", self._build_url, self._timeout)
            about: Any = orjson.loads(body)["data"] if status == httpx.codes.OK else None
        except (ProviderError, ValueError, TypeError, KeyError):
            # Managed ones do not tell. The query itself will show it.
            return
        version = _version(about)
        if version is not None and re.match(r"v?[12]\.", version):
            self._ask_at = float("-inf")
            raise UnknownNamesError(f"{NAMES_NEED}, and this is Prometheus {version}: {RENAME}")
        self._holds_all_names = version is not None
        if isinstance(about, dict):
            self._ask_at = float("inf")

    async def _post(self, form: dict[str, str]) -> tuple[int, bytes]:
        return await self._bounded("POST", self._url, self._timeout + GRACE_SECONDS, form)

    async def _bounded(
        self, method: str, url: str, patience: float, form: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer, bounded in time and size. Raises ProviderError."""
        try:
            # httpx counts each read for itself, and its timeout knows nothing of fetching a token.
            async with (
                asyncio.timeout(patience),
                self._client.stream(
                    method, url, data=form, timeout=patience, headers={"Accept-Encoding": self._compression}
                ) as response,
            ):
                body = await read_body(response.aiter_raw(), response.headers.get("Content-Encoding", ""))
                if response.status_code >= 400:
                    body = masked(body.decode(errors="replace"), response.request).encode()
                return response.status_code, body
        except (httpx.TimeoutException, TimeoutError):
            raise ProviderError(f"Prometheus did not answer within {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            raise ProviderError(f"Prometheus is not reachable: {str(error) or type(error).__name__}") from error


def _version(about: Any) -> str | None:
    """The version of a Prometheus. Others have their own: Thanos begins with 0, VictoriaMetrics says 2.24 of itself."""
    if not isinstance(about, dict) or not about.get("goVersion") or "application" in about:
        return None
    version = str(about.get("version", ""))[:40]
    return version if re.match(r"v?[1-9]", version) else None


def read(status: int, body: bytes) -> tuple[Any, Sequence[str]]:
    """The data of an answer, and its warnings. Raises ProviderError."""
    try:
        document: Any = orjson.loads(body)
        outcome = document["status"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise ProviderError(f"Prometheus answered HTTP {status} without its JSON: {_guess(status)}") from None
    if outcome != "success":
        kind, text = str(document.get("errorType", "error")), str(document.get("error", ""))
        # Its own limits of samples and series.
        failure = TooMuchError if status == httpx.codes.UNPROCESSABLE_ENTITY else ProviderError
        raise failure(f"Prometheus answered HTTP {status}, {kind}: {text[:300]}")
    warnings = document.get("warnings") or ()
    found = [str(text) for text in warnings] if isinstance(warnings, list) else []
    # A VictoriaMetrics cluster of which a part is away.
    return document.get("data"), [*found, "the answer is partial"] if document.get("isPartial") is True else found


def _read_answer(status: int, body: bytes) -> Answer:
    return _answer(*read(status, body))


def _read_answer_of_quoted_names(status: int, body: bytes) -> Answer:
    try:
        return _read_answer(status, body)
    except ProviderError as error:
        # As VictoriaMetrics, with 422, and others say that they cannot read a query.
        refusals = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
        if status in refusals and re.search(r"parse|unexpected", str(error)):
            raise UnknownNamesError(f"{error}; {NAMES_NEED}: {RENAME}") from None
        raise


def _read_values(status: int, body: bytes) -> Values:
    return _values(*read(status, body))


def _guess(status: int) -> str:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "it wants other credentials than those of SERINUS_PROVIDERS_FILE"
    if 300 <= status < 400:
        return "redirects are not followed, give the final address"
    return "is a proxy in between?"


def _answer(data: Any, warnings: Sequence[str]) -> Answer:
    try:
        if data["resultType"] != "matrix":
            raise ProviderError(f"Prometheus answered with a {data['resultType']}, expected a matrix")
        if len(data["result"]) > MAX_SERIES:
            raise TooMuchError(
                f"the selector matches {len(data['result']):,} series, at most {MAX_SERIES:,} are counted: narrow it, "
                "or have a recording rule add them up"
            )
        known: _Known = {}
        series = [_series(item, known) for item in data["result"]]
        histograms = [_histogram(item) for item in data["result"] if item.get("histograms")]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise ProviderError(f"Prometheus' answer has an unknown form: {type(error).__name__}: {error}") from None
    shown, name = _in_order([one for one in series if one.times])
    return Answer(shown, warnings, [one for one in histograms if one.times], name)


def _in_order(series: Sequence[Series]) -> tuple[Sequence[Series], bytes]:
    """The series in an order that their labels give, since VictoriaMetrics writes them as its workers come to an end,
    and a digest of all labels."""
    written = [orjson.dumps(one.labels) for one in series]
    places = sorted(range(len(series)), key=written.__getitem__)
    digest = blake2b(b"".join([written[at] for at in places]), digest_size=16).digest()
    return [series[at] for at in places], digest


def _values(data: Any, warnings: Sequence[str]) -> Values:
    try:
        if data["resultType"] == "scalar":
            return Values([_value(data["result"][1])], False, warnings)
        if data["resultType"] != "vector":
            raise ProviderError(f"the query gives a {data['resultType']}, expected a vector or a number")
        if len(data["result"]) > MAX_VALUES:
            raise ProviderError(
                f"the query gives {len(data['result']):,} values, at most {MAX_VALUES:,} are compared: aggregate it"
            )
        return Values([_value(item["value"][1]) for item in data["result"]], True, warnings)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise ProviderError(f"Prometheus' answer has an unknown form: {type(error).__name__}: {error}") from None


def _value(text: str) -> float | Literal["+Inf", "-Inf"] | None:
    value = float(text)
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None if math.isnan(value) else value


_Known = dict[tuple[float, ...], tuple[list[int], bool]]


def _series(item: dict[str, Any], known: _Known) -> Series:
    """One series; `known` are times as the answer writes them: in ms, and whether some are twice there."""
    labels = _labels(item)
    # A series of native histograms has no `values`.
    if not (samples := item.get("values")):
        return Series(labels, [], [])
    seconds, texts = zip(*samples, strict=True)
    values = list(map(float, texts))
    if seconds not in known:
        made = [round(time * 1000) for time in seconds]
        if made != sorted(made):
            raise ValueError("samples that are not in order of time")
        known[seconds] = made, len(set(made)) < len(made)
    times, doubled = known[seconds]
    if not doubled and math.isfinite(sum(values)):
        return Series(labels, times, values)
    # A write that was sent twice is stored twice by VictoriaMetrics: of samples of one time the last.
    last = dict(zip(times, values, strict=True))
    kept = {time: value for time, value in last.items() if math.isfinite(value)}
    return Series(labels, list(kept), list(kept.values()))


def _labels(item: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = item["metric"]
    if not set(map(type, labels.values())) <= {str}:
        raise ValueError("a label that is no text")
    return labels


def _histogram(item: dict[str, Any]) -> Histogram:
    times: list[int] = []
    counts: list[float] = []
    buckets: list[list[Bucket]] = []
    last = -1
    for time, found in item["histograms"]:
        at = round(time * 1000)
        if at < last:
            raise ValueError("samples that are not in order of time")
        if at == last and times and times[-1] == at:
            del times[-1], counts[-1], buckets[-1]
        last, count = at, float(found["count"])
        if math.isfinite(count):
            times.append(at)
            counts.append(count)
            # The first of the four says which bounds are inclusive, which no count depends on.
            buckets.append([(float(low), float(high), float(n)) for _, low, high, n in found.get("buckets", ())])
    return Histogram(_labels(item), times, counts, buckets)
