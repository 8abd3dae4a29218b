import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts.base import Contract
from serinus_contracts.weight import Percent, Weight, percent_of, weight_text


class Model(Contract):
    weight: Weight
    percent: Percent = 0


@pytest.mark.parametrize("written", [5, 5.0, "5"])
def test_a_whole_percent_is_an_int_in_json_however_it_was_written(written: object) -> None:
    model = Model.model_validate({"weight": written})
    assert json.dumps(model.model_dump(mode="json")) == '{"weight": 5, "percent": 0}'
    assert model.model_dump_json() == '{"weight":5,"percent":0}'


@pytest.mark.parametrize("written", [-0.1, 100.1, "half", None])
def test_what_is_no_share_of_the_traffic_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"weight": written})


@given(st.integers(1, 1_000_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_parts_come_back_from_their_percent_and_from_its_text(parts: tuple[int, int]) -> None:
    percent = percent_of(*parts)
    assert round(percent * parts[1] / 100) == parts[0]
    assert Model.model_validate({"weight": weight_text(percent).removesuffix(" %")}).weight == percent


@pytest.mark.parametrize(
    ("parts", "whole", "text"),
    [(5, 100, "5 %"), (5, 1000, "0.5 %"), (250, 1000, "25 %"), (1, 3, "33.3333 %"), (1, 10**6, "0.0001 %")],
)
def test_a_weight_is_written_with_all_its_digits(parts: int, whole: int, text: str) -> None:
    assert weight_text(percent_of(parts, whole)) == text
