from __future__ import annotations

from typing import Any

from serinus_simulator.argo.hashing import pod_hash, step_hash


def template(image: str, **container: object) -> dict[str, object]:
    return {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "app", "image": image, **container}]},
    }


def test_the_same_template_has_the_same_hash_and_another_another() -> None:
    assert pod_hash(template("v1")) == pod_hash(template("v1")) != pod_hash(template("v2"))


def test_what_argo_itself_fills_in_changes_no_hash() -> None:
    filled = template("v1", resources={}) | {"metadata": {"labels": {"app": "a"}, "creationTimestamp": None}}
    assert pod_hash(filled) == pod_hash(template("v1"))
    assert pod_hash(template("v1", resources={"limits": {"cpu": 1}})) != pod_hash(template("v1"))


def test_hashes_are_short_and_without_vowels() -> None:
    for number in range(50):
        made = pod_hash(template(str(number)))
        assert 6 <= len(made) <= 10
        assert not set(made) & set("aeiou013")


def test_any_edit_of_a_step_changes_the_hash_of_the_steps() -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 5}, {"pause": {}}]
    assert step_hash(steps) != step_hash([{"setWeight": 5}, {"pause": {"duration": "2s"}}])
    assert step_hash(steps) != step_hash(steps[:1])
