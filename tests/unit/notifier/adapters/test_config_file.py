"""The notifier's file: what is wrong is said with its place, and no secret with it."""

from pathlib import Path

import pytest
from serinus_notifier.adapters.config_file import read
from serinus_runtime.documents import DocumentError

ROOT = Path(__file__).parents[4]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "notifications.yaml"
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read(written(tmp_path, text), {})
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


def test_an_address_takes_its_secret_from_the_environment(tmp_path: Path) -> None:
    path = written(
        tmp_path, "channels: {team: 'json://${USER_X}:${PASS_X}@h/'}\nrules: [{kinds: [held], to: [team]}]\n"
    )
    config = read(path, {"USER_X": "me", "PASS_X": "s3cret"})
    assert config.channels["team"].get_secret_value() == "json://me:s3cret@h/"
    assert "s3cret" not in repr(config)


def test_the_example_is_read() -> None:
    example = ROOT / "examples" / "notifications.yaml"
    config = read(example, {"SLACK_TOKENS": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "SMTP_PASSWORD": "x"})
    assert set(config.channels) == {"team", "oncall"}


def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = """channels:
  team: json://127.0.0.1/
  odd: nonsense://s3cret
  empty: slack://${SLACK_TOKENS}/
rules:
- kinds: [aborted]
  to: [team, boss]
- kinds: [aborted]
  after: 5m
  to: [team]
"""
    problems = refused(tmp_path, text)
    assert problems == [
        "notifications.yaml:3:8: channels.odd: is no address that Apprise knows, such as slack://... or mailto://...",
        "notifications.yaml:4:10: channels.empty: the environment has no SLACK_TOKENS",
        "notifications.yaml:7:14: rules.0.to.1: there is no channel 'boss'; known: team, odd, empty",
        "notifications.yaml:9:10: rules.1.after: only held and cannot_judge last: leave it out",
    ]
    assert "s3cret" not in "".join(problems) + caplog.text


def test_a_misspelt_key_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    problems = refused(tmp_path, "channels: {team: 'json://h'}\nrules:\n- kind: [aborted]\n  to: [team]\n")
    assert "notifications.yaml:3:3: rules.0.kind: unknown key: did you mean kinds?" in problems
    (problem,) = refused(tmp_path, "channels: {team: 'json://h'}\nrules:\n- kinds: [aborded]\n  to: [team]\n")
    assert problem.startswith("notifications.yaml:3:11: rules.0.kinds.0: Input should be 'aborted', 'would_abort'")


def test_an_empty_file_and_a_missing_one_say_so(tmp_path: Path) -> None:
    assert refused(tmp_path, "") == ["notifications.yaml: holds 0 documents, wanted is one with channels and rules"]
    with pytest.raises(DocumentError, match="cannot be read"):
        read(tmp_path / "none.yaml", {})
