"""Standard output whose failures are its own: a command may be talking to Redis while it prints.

Whoever read the pipe has gone, as `head` does: the command ends quietly, with the exit code that a shell gives to
SIGPIPE. Any other failure, such as a full disk, is an error. Either ends the command at once by SystemExit, which no
handler of another side's errors takes for its own, and its cleaning up is still done.
"""

import errno
import io
import os
import sys

CLOSED = 128 + 13


class _File(io.FileIO):
    def write(self, data: object, /) -> int:
        try:
            return super().write(data) or 0  # type: ignore[arg-type]
        except OSError as error:
            # What is buffered still is written out later, at the interpreter's end for one.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if error.errno == errno.EPIPE:
                raise SystemExit(CLOSED) from None
            raise SystemExit(f"error: standard output: {error.strerror}") from error


def guard() -> None:
    """From here on for all that the process prints."""
    old = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_File(old.fileno(), "wb", closefd=False)),
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=bool(old.line_buffering),
    )
