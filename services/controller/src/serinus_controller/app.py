"""The process `serinus-controller`."""

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_controller.bootstrap import control
from serinus_controller.settings import ControllerSettings


def main() -> None:
    """The command `serinus-controller`."""
    settings = load(ControllerSettings, "controller")
    run("controller", settings, lambda service: control(service, settings))
