"""Text from outside where a person reads it: reasons, messages of Argo, errors of a provider.

Control characters in it could move the cursor, colour or retitle a terminal, and characters that turn the direction of
writing could show another text than there is.
"""

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without them; line breaks and tabs stay."""
    return _CONTROL.sub("", text)


def escaped(json: str) -> str:
    """A JSON document that says the same without them."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
