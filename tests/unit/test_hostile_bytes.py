"""Whatever stands in a key of Redis, a file or a variable: its reader gives a value, or the error that it promises."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serinus_contracts.base import parse_duration
from serinus_contracts.report import read_chapter
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.judges import JUDGES
from serinus_judging.packing import EvidenceError
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.rollout import parse_time
from serinus_runtime.address import parse as parse_address
from serinus_runtime.documents import DocumentError

from tests.support import ERRORS, LATENCY, plan

PLAN = plan(metrics=(ERRORS, LATENCY))
KEPT = {name: judge.start(PLAN).pack() for name, judge in JUDGES.items()}
BESIDE = GuardrailMemory.start(PLAN).pack()


def bent(good: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with a part replaced by others, or cut off."""

    def bend(begin: int, length: int, other: bytes, cut: bool) -> bytes:
        return good[:begin] + other + (b"" if cut else good[begin + length :])

    return st.builds(bend, st.integers(0, len(good)), st.integers(0, 8), st.binary(max_size=8), st.booleans())


def refusal(read: Callable[[], object], promised: type[Exception]) -> str | None:
    """What the reader says to what it cannot read, None if it could."""
    try:
        read()
    except promised as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", JUDGES)
@given(data=st.data())
def test_any_evidence_is_read_or_refused(name: str, data: st.DataObject) -> None:
    packed = data.draw(bent(KEPT[name]) | st.binary(max_size=100))
    assert refusal(lambda: JUDGES[name].load(packed), EvidenceError) != ""


@given(bent(BESIDE) | st.binary(max_size=100))
@example(BESIDE[:-40] + b"\xff" * 600)
def test_any_memory_beside_evidence_is_read_or_refused(packed: bytes) -> None:
    said = refusal(lambda: GuardrailMemory.unpack(packed), ValueError)
    assert said is None or "what the guardrails remember cannot be read" in said


WORDS = ["redis", "rediss", "+sentinel", "+cluster", "://", "@", ":", "/", "?", ",", "[", "]", "::1", "99999", "٣", "%"]
TEXT = st.text(max_size=30) | st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@pytest.mark.parametrize("read", [parse_duration, read_chapter, parse_address, parse_time])
@given(text=TEXT | st.text(alphabet="0129.:-+TZsmhd٣ ", max_size=20))
@example(text="9" * 5000 + "s")
@example(text="[" * 100_000)
def test_any_text_is_read_or_refused_in_words(read: Callable[[str], object], text: str) -> None:
    assert refusal(lambda: read(text), ValueError) != ""


@given(TEXT | st.text(alphabet="{}[]:,-&*!|>'\"% \n\tspecmetrics0", max_size=60))
@example("a: &a [*a]")
@example("{" * 5000)
@example("\x00")
@example("2020-13-45: 1")
def test_any_file_of_policies_is_read_or_refused_with_its_name(text: str) -> None:
    said = refusal(lambda: load_text(text, "shop.yaml"), DocumentError)
    assert said is None or "shop.yaml" in said
