import asyncio
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from serinus.doctor.first_policy import write
from serinus.doctor.words import plain
from serinus_collecting.ports import Answer, Unread
from serinus_contracts.selector import is_name
from serinus_counting.series import Series
from serinus_rollouts.policy_documents import load_text

from tests.unit.rollouts.objects import at

LABELS = ("__name__", "code", "pod")
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,8}[a-z0-9])?", fullmatch=True)


class Provider:
    """Has the requests of the pods of a Rollout, and nothing else."""

    def __init__(self, rollout: str, label: str = "on") -> None:
        self.rollout, self.label = rollout, label

    async def samples(self, selector: Any, end: int, reach_ms: int) -> Unread[Answer]:
        labels = {"__name__": "http_requests_total", self.label: f"{self.rollout}-old-1", "code": "200"}
        series = [Series(labels, [1], [1.0])] if selector.name == "http_requests_total" else []
        return Unread(200, b"", lambda *_: Answer(series))


@given(NAMES, NAMES)
@example("123", "on")
@example("1e3", "null")
@example("1.2", "0x1f")
def test_the_first_policy_is_for_the_rollout_whatever_its_name_means_in_yaml(namespace: str, name: str) -> None:
    provider: Any = Provider(name)
    seen = at(metadata={"namespace": namespace, "name": name})
    text, _ = asyncio.run(write(provider, seen, ("", ""), 0))
    (policy,) = load_text(text, "policy.yaml")
    assert (policy.metadata.name, policy.spec.match.namespace, policy.spec.match.name) == (name, namespace, name)
    assert policy.spec.source.label == "on"


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(is_name).filter(lambda name: name not in LABELS))
@example("k8s.pod.name")
@example('pod "name"')
def test_the_first_policy_names_the_label_that_holds_the_pods_whatever_its_characters(label: str) -> None:
    provider: Any = Provider("checkout", label)
    seen = at(metadata={"namespace": "shop", "name": "checkout"})
    text, _ = asyncio.run(write(provider, seen, ("", ""), 0))
    (policy,) = load_text(text, "policy.yaml")
    assert policy.spec.source.label == label


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_is_read_as_it_was(text: str) -> None:
    assert yaml.safe_load(plain(text)) == text


@pytest.mark.parametrize("text", ["123", "1e3", "y", "on", "null", "1.2", "0x1f", "2026-01-01"])
def test_what_some_reader_of_yaml_would_take_for_no_text_is_quoted(text: str) -> None:
    assert plain(text) == f'"{text}"'
