"""Reading an answer's body, bounded while it is inflated: a few compressed bytes can stand for gigabytes."""

import zlib
from collections.abc import AsyncIterator

from serinus_collecting.ports import ProviderError, TooMuchError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(chunks: AsyncIterator[bytes], encoding: str) -> bytes:
    """The body as it was before the content `encoding` (empty or gzip), at most MAX_ANSWER_BYTES.

    Raises TooMuchError for a larger one, ProviderError for another encoding, or one that cannot be inflated.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise ProviderError(f"Prometheus answered with content encoding {encoding[:40]!r}: gzip alone is read")
    inflate = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in chunks:
        if inflate is None:
            body += chunk
        else:
            try:
                # One byte more than there is room for, so that a body that is too large is known to be.
                body += inflate.decompress(inflate.unconsumed_tail + chunk, MAX_ANSWER_BYTES + 1 - len(body))
            except zlib.error as error:
                raise ProviderError(f"Prometheus' answer is not valid gzip: {error}") from None
        if len(body) > MAX_ANSWER_BYTES:
            raise TooMuchError(
                f"Prometheus answered with more than {MAX_ANSWER_BYTES >> 20} MiB: "
                "narrow the selector, or have a recording rule add the series up"
            )
    if inflate is not None and not inflate.eof:
        raise ProviderError("Prometheus' answer was cut off: its gzip stream is incomplete")
    return bytes(body)
