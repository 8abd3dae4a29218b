from typing import Any

import pytest
import typer
from serinus.rollout import which

APP = {"name": "app", "image": "registry.example.com:5000/shop/app:v1"}
PROXY = {"name": "proxy", "image": "envoy@sha256:00"}


@pytest.mark.parametrize(
    ("containers", "wanted", "image", "index"),
    [
        ([APP], "", "other:v2", 0),
        ([PROXY, APP], "", "registry.example.com:5000/shop/app:v2", 1),
        ([PROXY, APP], "", "envoy:v2", 0),
        ([PROXY, APP], "app", "envoy:v2", 1),
    ],
)
def test_the_container_is_the_named_one_the_only_one_or_the_one_of_that_image(
    containers: list[dict[str, Any]], wanted: str, image: str, index: int
) -> None:
    assert which(containers, wanted, image) == (index, containers[index]["name"])


@pytest.mark.parametrize(
    ("wanted", "image", "complaint"),
    [("web", "x:1", "there is no container web; there are proxy, app"), ("", "x:1", "by --container: proxy, app")],
)
def test_a_container_that_cannot_be_told_is_an_error_with_those_there_are(
    wanted: str, image: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        which([PROXY, APP], wanted, image)
    assert complaint in capsys.readouterr().err
