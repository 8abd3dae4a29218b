"""The demo that runs on this machine: where it is, in a file that its user alone can read and write.

It is in `XDG_RUNTIME_DIR`, else in a folder of the user's own for temporary files. What another user could have written
is not believed, and neither is what a demo left behind that ended: its process is looked for.
"""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningDemo:
    """Where its parts are; `began` tells its process from another that got the same number later."""

    pid: int
    began: str
    redis_url: str
    redis_tag: str
    kubeconfig: str
    prometheus: str
    policies: str

    @property
    def environment(self) -> dict[str, str]:
        """By which the commands, and kubectl, find it."""
        return {
            "SERINUS_REDIS_URL": self.redis_url,
            "SERINUS_REDIS_TAG": self.redis_tag,
            "SERINUS_PROVIDERS": f"main={self.prometheus}",
            "SERINUS_POLICIES": self.policies,
            "KUBECONFIG": self.kubeconfig,
        }


def found() -> RunningDemo | None:
    """The one that was started last of those that run, None where none does."""
    folder = _folder()
    if not _is_ours(folder):
        return None
    files = [file for file in folder.glob("demo-*.json") if _is_ours(file)]
    running = [(file, demo) for file in files if (demo := _read(file))]
    return max(running, key=lambda one: one[0].stat().st_mtime_ns)[1] if running else None


def _read(file: Path) -> RunningDemo | None:
    try:
        demo = RunningDemo(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return demo if demo.began == began(demo.pid) else None


@contextmanager
def known(**addresses: str) -> Iterator[None]:
    """This process is a running demo; without a folder that is safe nobody is told of it."""
    folder, pid = _folder(), os.getpid()
    demo = RunningDemo(pid=pid, began=began(pid), **addresses)
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"demo-{pid}.json"
    if not _is_ours(folder):
        yield
        return
    for left in folder.glob("demo-*.json"):
        if not _read(left):
            with suppress(OSError):
                left.unlink()
    with (
        suppress(OSError),
        os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as text,
    ):
        json.dump(asdict(demo), text)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def began(pid: int) -> str:
    """When a process began, as its system tells; empty of one that has ended."""
    try:
        # The name, in parentheses, may hold anything; the twentieth field behind it is the time.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "unknown"


def _folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "serinus") if runtime else Path(tempfile.gettempdir(), f"serinus-{os.getuid()}")


def _is_ours(path: Path) -> bool:
    """Whether it is no link, and nobody but this user may write or read it."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return not stat.S_ISLNK(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o077
