"""Bodies of answers: as they were sent, or one sentence, and never more in memory than is allowed."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_collecting.bodies import MAX_ANSWER_BYTES, read_body
from serinus_collecting.ports import ProviderError

pytestmark = pytest.mark.anyio


async def chunks(body: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for first in range(0, len(body), size):
        yield body[first : first + size]


@given(st.binary(max_size=2_000), st.integers(1, 500), st.sampled_from(["", "gzip", " GZIP "]))
async def test_a_body_is_what_was_sent_however_it_was_cut(body: bytes, size: int, encoding: str) -> None:
    sent = gzip.compress(body) if encoding else body
    assert await read_body(chunks(sent, size), encoding) == body


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_refused(encoding: str) -> None:
    def sent(length: int) -> bytes:
        return gzip.compress(bytes(length), 1) if encoding else bytes(length)

    assert len(await read_body(chunks(sent(MAX_ANSWER_BYTES)), encoding)) == MAX_ANSWER_BYTES
    with pytest.raises(ProviderError, match="more than 8 MiB: narrow the selector"):
        await read_body(chunks(sent(MAX_ANSWER_BYTES + 1)), encoding)


async def test_a_body_that_grows_when_it_is_inflated_takes_no_more_memory_than_is_allowed() -> None:
    def inflated() -> Iterator[bytes]:
        packer = zlib.compressobj(9, wbits=31)
        for _ in range(20):
            yield packer.compress(bytes(MAX_ANSWER_BYTES))
        yield packer.flush()

    sent = b"".join(inflated())
    tracemalloc.start()
    try:
        with pytest.raises(ProviderError, match="more than 8 MiB"):
            await read_body(chunks(sent, len(sent)), "gzip")
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,identity"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(ProviderError, match="gzip alone is read"):
        await read_body(chunks(b"x"), encoding)


@pytest.mark.parametrize("sent", [b"no gzip at all", gzip.compress(b"x" * 500, mtime=0)[:-9]])
async def test_a_body_that_is_not_gzip_or_is_cut_off_is_refused_with_the_reason(sent: bytes) -> None:
    with pytest.raises(ProviderError, match=r"is not valid gzip|was cut off"):
        await read_body(chunks(sent), "gzip")
