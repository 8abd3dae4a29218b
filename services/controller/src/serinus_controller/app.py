"""The process `serinus-controller`."""

import gc

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_controller.bootstrap import control
from serinus_controller.settings import ControllerSettings


def main() -> None:
    # Views of thousands of Rollouts and pods live long: to look through them all again and again keeps acts waiting.
    gc.set_threshold(10_000, 10, 100)
    settings = load(ControllerSettings, "controller")
    run("controller", settings, lambda service: control(service, settings))
