"""What is written of plain dictionaries is what the model reads, and what it would have written itself."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import VerdictReached, from_entry, seal, to_entry
from serinus_contracts.base import MAX_TEXT_LENGTH
from serinus_contracts.written_verdict import written

from tests.support import RUN, verdict

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=1_200)
COUNTS = st.fixed_dictionaries({"events": st.integers(0, 10**12), "trials": st.integers(0, 10**12)})
NUMBER = st.integers(-9_999, 9_999).map(lambda number: number / 100)
MAYBE = st.none() | NUMBER
CHANNEL = st.fixed_dictionaries(
    {"canary": COUNTS, "stable": COUNTS, "margin": st.just({"ratio": 1.25, "absolute": 0.0}), "log_eprocess": NUMBER},
    optional={"log_eprocess_non_inferior": MAYBE, "low": MAYBE, "high": MAYBE, "detail": TEXT, "quantile": MAYBE,
              "canary_edge": MAYBE, "stable_edge": MAYBE, "stable_part": MAYBE,
              "stable_bucket": st.none() | st.tuples(NUMBER, NUMBER)},
)  # fmt: skip
SEGMENT = st.fixed_dictionaries(
    {"name": TEXT, "canary": COUNTS, "stable": COUNTS, "stage": st.tuples(COUNTS, COUNTS), "log_eprocess": NUMBER},
    optional={"others": st.booleans(), "worse": st.booleans(), "low": MAYBE, "high": MAYBE},
)
METRIC = st.fixed_dictionaries(
    {"name": st.text(max_size=9), "label": st.sampled_from(["ok", "worse"]), "status": st.sampled_from(["ok", "error"]),
     "share": NUMBER, "log_eprocess": NUMBER, "run": st.lists(CHANNEL, max_size=2)},
    optional={"better": st.sampled_from(["lower", "higher"]), "limit": st.booleans(), "critical": st.booleans(),
              "stage": st.lists(COUNTS, max_size=2), "detail": TEXT, "left_out": TEXT, "calibrated": st.booleans(),
              "dispersion": MAYBE, "detectable_rate": MAYBE, "visible_slowdown": MAYBE,
              "durations": st.lists(st.fixed_dictionaries({"quantile": NUMBER, "canary": NUMBER, "stable": NUMBER}),
                                    max_size=1),
              "segment": st.none() | st.just("route"), "segments": st.lists(SEGMENT, max_size=2)},
)  # fmt: skip
FINDING = st.fixed_dictionaries(
    {"kind": st.sampled_from(["trend", "liveness"]), "text": TEXT},
    optional={"metric": st.text(max_size=9), "severity": st.sampled_from(["info", "none"]), "decides": st.booleans(),
              "pods": st.lists(st.text(max_size=5), max_size=2),
              "values": st.dictionaries(st.text(max_size=5), NUMBER)},
)  # fmt: skip


def fields(**other: Any) -> dict[str, Any]:
    return verdict().model_dump() | {"run": RUN} | other


@given(
    st.lists(METRIC, max_size=3),
    st.lists(FINDING, max_size=2),
    TEXT,
    st.booleans(),
    st.none() | st.just({"canary": 1, "stable": 9, "expected": 0.1, "log_mismatch": -1.0}),
)
def test_what_is_written_reads_as_the_model_of_the_same(
    metrics: list[Any], findings: list[Any], sentence: str, described: bool, traffic: Any
) -> None:
    told = fields(metrics=metrics, findings=findings, sentence=sentence, described=described, traffic=traffic)
    assert VerdictReached.model_validate_json(written(told).data) == VerdictReached.model_validate(told)


@pytest.mark.parametrize("trace", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
@pytest.mark.parametrize("now", [5, 1_700_000_000_000])
def test_its_entry_is_that_of_the_sealed_event(trace: str | None, now: int) -> None:
    entry = written(fields()).to_entry(source="/serinus/analyzer", now=now, traceparent=trace)
    sealed = to_entry(seal(verdict(), source="/serinus/analyzer", now=now, traceparent=trace))
    assert {name: value for name, value in entry.items() if name != "ce"} == {
        name: value for name, value in sealed.items() if name != "ce"
    }
    read = from_entry(VerdictReached, {name.encode(): _bytes(value) for name, value in entry.items()})
    assert read == from_entry(VerdictReached, sealed)
    ours, theirs = json.loads(entry["ce"]), json.loads(sealed["ce"])
    assert {**ours, "data": None} == {**theirs, "data": None}
    assert theirs["data"].items() >= ours["data"].items()


def test_counts_of_nothing_and_whether_it_is_described_are_written_for_readers_that_know_no_defaults() -> None:
    counts = {"events": 0, "trials": 0}
    metric = {"name": "errors", "label": "ok", "status": "ok", "share": 1, "log_eprocess": 0.0, "better": "lower",
              "stage": [counts], "run": [{"canary": counts, "stable": counts, "margin": {}, "detail": ""}]}  # fmt: skip
    data = json.loads(written(fields(metrics=[metric])).data)
    (told,) = data["metrics"]
    assert (told["stage"], told["run"]) == ([counts], [{"canary": counts, "stable": counts, "margin": {}}])
    assert "better" not in told
    assert data["described"] is True


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_and_its_name_in_a_text_is_not(number: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        written(fields(log_eprocess=number))
    assert written(fields(sentence="hold: NaN is no Infinity")).sentence == "hold: NaN is no Infinity"


def test_evidence_has_four_decimals_other_numbers_five_or_as_many_digits_and_edges_all_of_theirs() -> None:
    third, counts = 1 / 3, {"events": 1, "trials": 3}
    channel = {"canary": counts, "stable": counts, "margin": {"ratio": third, "absolute": third}, "low": 1000 * third,
               "canary_edge": third, "stable_part": third, "log_eprocess": 1000 * third}  # fmt: skip
    duration = {"quantile": 0.99, "canary": third, "stable": third}
    metric = {"name": "latency", "label": "ok", "status": "ok", "share": third, "log_eprocess": third, "run": [channel],
              "durations": [duration], "dispersion": third}  # fmt: skip
    finding = {"kind": "trend", "text": "rises", "values": {"p": 1e-9 * third}}
    told = VerdictReached.model_validate_json(written(fields(metrics=[metric], findings=[finding])).data)
    (read,), (found,) = told.metrics, told.findings
    assert (read.share, read.log_eprocess, read.dispersion) == (0.33333, 0.3333, 0.33333)
    assert read.durations[0].canary == 0.33333
    assert (read.run[0].low, read.run[0].log_eprocess) == (333.33333, 333.3333)
    assert {read.run[0].canary_edge, read.run[0].stable_part, read.run[0].margin.ratio} == {third}
    assert found.values == {"p": 3.3333e-10}


def test_a_text_that_is_too_long_is_shortened_as_the_model_does() -> None:
    told = written(fields(sentence="x" * (MAX_TEXT_LENGTH + 1)))
    assert told.sentence == VerdictReached.model_validate_json(told.data).sentence
    assert len(told.sentence) == MAX_TEXT_LENGTH


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
