"""Why a file cannot be read, for the person who has to mend it: most often a mount, or its owner."""

import os
import stat
from pathlib import Path


def unreadable(path: Path) -> str | None:
    """What is in the way and the way out, None if the file can be read."""
    try:
        path.open("rb").close()
    except IsADirectoryError:
        return (
            f"{path} is a folder: Docker makes one where the file to mount was not there; remove it, and name the file"
        )
    except PermissionError as error:
        return f"{path}: {error.strerror}: {_rights(path)}"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def _rights(path: Path) -> str:
    me = os.geteuid()
    try:
        found = path.stat()
    except OSError:
        return f"uid {me}, as which this runs, may not enter its folder"
    return (
        f"it is of uid {found.st_uid} with mode {stat.S_IMODE(found.st_mode):03o}, and this runs as uid {me}; "
        f"run it as the owner (with compose: SERINUS_UID={found.st_uid}), or let others read the file"
    )
