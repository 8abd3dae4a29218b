"""What the arms of a run run: images as short as tells them apart."""

from collections.abc import Sequence
from typing import NamedTuple

from serinus_contracts.base import Arm

from serinus_readmodel.run_view import RunView


class Version(NamedTuple):
    """What an arm runs. `images` as short as tells them apart, each with its whole name."""

    arm: Arm
    hash: str
    images: Sequence[tuple[str, str]]


def versions(view: RunView) -> tuple[Version, Version]:
    """Canary and stable; of several containers those that differ, a sidecar does not."""
    run, images = view.observed.run, view.observed.images
    canary, stable = images.get("canary", ()), images.get("stable", ())
    alike = set(canary) & set(stable)

    def version(arm: Arm, hash_: str, found: Sequence[str]) -> Version:
        shown = [image for image in found if image not in alike] or found[:1]
        return Version(arm, hash_, [(short(image), image) for image in shown])

    return version("canary", run.canary_hash, canary), version("stable", run.stable_hash, stable)


def short(image: str) -> str:
    """An image without registry and folders; of a digest that stands alone the first twelve digits."""
    name, at, digest = image.rpartition("/")[2].partition("@")
    return name if ":" in name or not at else f"{name}@{digest.removeprefix('sha256:')[:12]}"
