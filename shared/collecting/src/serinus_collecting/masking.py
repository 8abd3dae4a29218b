"""What a provider says, without the credentials that it was sent: some, and proxies before them, say back what came."""

import base64
import binascii

import httpx

# Of a request: values of its other headers that nobody may read.
SECRETS = "serinus_secrets"


def masked(text: str, request: httpx.Request) -> str:
    """The text with *** for each secret that the request carries."""
    header = request.headers.get("Authorization", "")
    scheme, _, sent = header.partition(" ")
    secrets = [header, sent, sent.rpartition("Signature=")[2], request.headers.get("X-Amz-Security-Token", "")]
    if scheme.lower() == "basic":
        secrets.append(_password(sent))
    for one in filter(None, [*secrets, *request.extensions.get(SECRETS, ())]):
        text = text.replace(one, "***")
    return text


def _password(basic: str) -> str:
    try:
        return base64.b64decode(basic).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
