"""Sending by Apprise. Addresses hold secrets: neither they nor what Apprise says of them is ever logged."""

import asyncio
import logging
from collections.abc import Mapping

from apprise import Apprise, NotifyFormat
from pydantic import SecretStr

# They log addresses, and bodies that were refused.
for _talkative in ("apprise", "requests", "urllib3"):
    logging.getLogger(_talkative).setLevel(logging.CRITICAL + 1)


def known(address: str) -> bool:
    """Whether Apprise knows the kind of address."""
    return Apprise().add(address)


class Channels:
    """Apprise's services by the name of their channel. `timeout`: seconds after which nobody knows."""

    def __init__(self, channels: Mapping[str, SecretStr], timeout: float) -> None:
        self._timeout, self._services = timeout, dict[str, Apprise]()
        for name, address in channels.items():
            self._services[name] = Apprise()
            self._services[name].add(address.get_secret_value())

    async def send(self, channel: str, title: str, text: str) -> bool:
        """Whether it has arrived; False also when nobody knows."""
        try:
            # As text: what people write as a reason is no markup of a mail or a chat.
            sending = self._services[channel].async_notify(text, title=title, body_format=NotifyFormat.TEXT)
            return bool(await asyncio.wait_for(sending, self._timeout))
        except Exception as error:  # noqa: BLE001 - a plugin's error, which may carry the address, is a failed attempt
            logging.getLogger(__name__).warning("channel %s failed: %s", channel, type(error).__name__)
            return False
