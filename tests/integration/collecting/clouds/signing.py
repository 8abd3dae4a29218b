"""What signs in to a cloud in these tests, and what is asked then."""

import asyncio
import base64
import json
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from serinus_collecting.ports import ProviderError
from serinus_collecting.prometheus import Prometheus
from serinus_collecting.provider_auth import ProviderAuth
from serinus_contracts import Selector

from tests.clouds import REGION

SUBJECT = "system:serviceaccount:serinus:serinus-collector"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ROLE = "arn:aws:iam::123456789012:role/serinus"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-env-planted"}


def minted(subject: str) -> str:
    """A service account's token, as the cluster's issuer signs it."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": subject, "exp": int(time.time()) + 600}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = KEY.sign(text, PKCS1v15(), SHA256())
    return b".".join((text, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


class Reached:
    """One provider, and its sign-in."""

    def __init__(self, prometheus: Prometheus, auth: ProviderAuth) -> None:
        self.prometheus, self.auth = prometheus, auth

    async def ask(self) -> None:
        odd = Selector.parse('requests{path=~"/a b\\\\+ü|~"}')
        (await self.prometheus.samples(odd, 1_000, 1)).read()

    async def identity(self) -> str:
        found = await self.auth.identity()
        assert found is not None
        return found


Made = Callable[..., Reached]


async def until(reached: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not reached():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"waited 60 s in vain for {what}")


async def refused(provider: Reached) -> str:
    with pytest.raises(ProviderError) as error:
        await provider.ask()
    assert "planted" not in str(error.value)
    return str(error.value)


def irsa(monkeypatch: pytest.MonkeyPatch, url: str, token_file: str) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token_file)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
