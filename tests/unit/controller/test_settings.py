import pytest
from serinus_controller.settings import ControllerSettings
from serinus_runtime.settings import load


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("LEASE_DURATION", "8", "SERINUS_API_TIMEOUT, 10)"), ("API_TIMEOUT", "15", "SERINUS_API_TIMEOUT, 15)")],
)
def test_a_lease_that_a_request_may_outlast_is_refused_with_the_setting_to_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"SERINUS_{name}", value)
    with pytest.raises(SystemExit) as ended:
        load(ControllerSettings, "controller", [])
    assert ended.value.code == 2
    assert (
        f"SERINUS_LEASE_DURATION: must be longer than a Kubernetes request may take ({told}" in capsys.readouterr().err
    )


def test_what_a_lease_lasts_by_default_outlasts_a_request() -> None:
    assert ControllerSettings().lease_duration > ControllerSettings().api_timeout
