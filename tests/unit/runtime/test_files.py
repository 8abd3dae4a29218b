import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serinus_runtime.files import unreadable

NOBODY = 65534


@contextmanager
def without_roots_rights() -> Iterator[int]:
    """As a user for whom modes count; gives its uid."""
    me = os.geteuid()
    if me:
        yield me
        return
    os.seteuid(NOBODY)
    try:
        yield NOBODY
    finally:
        os.seteuid(me)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_file_that_can_be_read_is_none(folder: Path) -> None:
    (folder / "there").write_text("x")
    assert unreadable(folder / "there") is None


def test_a_file_of_another_user_says_whose_it_is_as_whom_this_runs_and_how_to_mend_it(folder: Path) -> None:
    closed = folder / "kubeconfig"
    closed.write_text("x")
    closed.chmod(0o600 if os.geteuid() == 0 else 0o000)
    owner, mode = closed.stat().st_uid, closed.stat().st_mode & 0o777
    with without_roots_rights() as me:
        said = unreadable(closed)
    assert said is not None
    assert f"{closed}: Permission denied: it is of uid {owner} with mode {mode:03o}, and this runs as uid {me}" in said
    assert f"SERINUS_UID={owner}" in said


def test_a_folder_that_may_not_be_entered_says_so(folder: Path) -> None:
    (folder / "kubeconfig").write_text("x")
    folder.chmod(0o700 if os.geteuid() == 0 else 0o000)
    try:
        with without_roots_rights() as me:
            said = unreadable(folder / "kubeconfig")
    finally:
        folder.chmod(0o755)
    assert said is not None
    assert said.endswith(f"uid {me}, as which this runs, may not enter its folder")


def test_a_folder_in_place_of_the_file_says_who_made_it_and_a_missing_one_that_it_lacks(folder: Path) -> None:
    assert "Docker makes one where the file to mount was not there" in str(unreadable(folder))
    assert str(unreadable(folder / "none")).endswith("none: No such file or directory")
