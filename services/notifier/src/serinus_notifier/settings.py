"""The notifier's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from serinus_runtime.settings import Settings


class NotifierSettings(Settings):
    """Where channels and rules stand, and how long telling may take."""

    notifications: Path = Field(
        Path("notifications.yaml"), description="file with channels, rules and templates (docs/how-to/notifications.md)"
    )
    send_timeout: Annotated[float, Field(gt=0)] = Field(15.0, description="seconds that telling one channel may take")
