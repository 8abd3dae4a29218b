import pytest
from serinus_readmodel.run_view import RunView
from serinus_readmodel.versions import short, versions

from tests.support import observed


def test_a_version_is_the_image_that_differs_not_the_sidecar_that_both_arms_have() -> None:
    images = {
        "canary": ("example.com:5000/a/app:v2", "proxy:1"),
        "stable": ("example.com:5000/a/app:v1", "proxy:1"),
    }
    canary, stable = versions(RunView(observed(images=images)))
    assert (canary.hash, canary.images) == ("new", [("app:v2", "example.com:5000/a/app:v2")])
    assert stable.images == [("app:v1", "example.com:5000/a/app:v1")]


def test_the_same_images_under_another_configuration_are_told_once() -> None:
    images = {"canary": ("app:v1", "proxy:1"), "stable": ("app:v1", "proxy:1")}
    canary, stable = versions(RunView(observed(images=images)))
    assert canary.images == stable.images == [("app:v1", "app:v1")]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("app", "app"),
        ("example.com/a/app:v2@sha256:0123456789abcdef", "app:v2"),
        ("example.com/a/app@sha256:0123456789abcdef", "app@0123456789ab"),
    ],
)
def test_an_image_is_told_by_its_tag_or_else_by_the_begin_of_its_digest(image: str, told: str) -> None:
    assert short(image) == told
