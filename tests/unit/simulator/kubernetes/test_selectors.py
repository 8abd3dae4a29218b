from __future__ import annotations

import pytest
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.selectors import field_selector, label_selector

POD = {"metadata": {"name": "a", "namespace": "shop", "labels": {"app": "checkout", "hash": "x1", "tier": ""}}}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=checkout", True),
        ("app==checkout,hash=x1", True),
        ("app=checkout,hash=x2", False),
        ("app!=checkout", False),
        ("other!=checkout", True),
        ("hash in (x1,x2)", True),
        ("hash in (x2, x3),app=checkout", False),
        ("hash notin (x2)", True),
        ("other notin (x2)", True),
        ("hash", True),
        ("!hash", False),
        ("!other", True),
        ("other", False),
        ("tier=", True),
        ("rollouts-pod-template-hash in (x1)", False),
    ],
)
def test_label_selectors_match_as_kubernetes_says(text: str, matches: bool) -> None:
    assert label_selector(text)(POD) is matches


def test_an_object_without_labels_matches_only_what_asks_for_none() -> None:
    bare = {"metadata": {"name": "a"}}
    assert not label_selector("app")(bare)
    assert label_selector("!app")(bare)


@pytest.mark.parametrize(
    ("text", "matches"),
    [("metadata.name=a", True), ("metadata.name=b", False), ("metadata.namespace!=shop", False), ("", True)],
)
def test_field_selectors_know_name_and_namespace(text: str, matches: bool) -> None:
    assert field_selector(text)(POD) is matches


@pytest.mark.parametrize("make", [label_selector, field_selector])
def test_a_selector_that_is_none_is_400(make: object) -> None:
    assert callable(make)
    with pytest.raises(ApiError) as refused:
        make("status.phase in Running")
    assert refused.value.code == 400
