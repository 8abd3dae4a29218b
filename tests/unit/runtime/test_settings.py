import pytest
from pydantic import Field
from serinus_runtime.settings import Settings, load


class Example(Settings):
    depth: int = Field(3, ge=1, description="how deep it goes")
    token: str = Field("", min_length=0, max_length=4, description="a secret")


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERINUS_DEPTH", "7")
    assert load(Example, "analyzer", []).depth == 7


def test_a_wrong_value_ends_the_start_and_names_variable_value_meaning_and_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERINUS_DEPTH", "0")
    with pytest.raises(SystemExit) as ended:
        load(Example, "analyzer", [])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "SERINUS_DEPTH: Input should be greater than or equal to 1 (got '0')" in told
    assert "it is: how deep it goes; default 3" in told


def test_a_secret_is_not_shown_in_the_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERINUS_TOKEN", "planted-secret")
    monkeypatch.setenv("SERINUS_REDIS_URL", "redis//user:planted-secret@host")
    with pytest.raises(SystemExit):
        load(Example, "analyzer", [])
    assert "planted-secret" not in capsys.readouterr().err


def test_a_misspelt_variable_is_pointed_out_and_another_services_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERINUS_REDIS_ULR", "redis://elsewhere")
    monkeypatch.setenv("SERINUS_PROVIDERS", "main=http://prometheus:9090")
    load(Example, "analyzer", [])
    assert capsys.readouterr().err == "SERINUS_REDIS_ULR is not a setting: did you mean SERINUS_REDIS_URL?\n"


def test_help_lists_every_setting_with_its_meaning_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(Example, "analyzer", ["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "SERINUS_DEPTH (default: 3)\n      how deep it goes" in told
    assert "example:" in told


def test_an_argument_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        load(Example, "analyzer", ["--port", "1"])
    assert ended.value.code == 2
