import errno
import logging

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import BusyLoadingError, ClusterDownError, DataError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import TimeoutError as RedisSilentError
from serinus_runtime.complaints import Complaints
from serinus_runtime.due import run_of
from serinus_runtime.errors import TransientError

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"
OF_ONE: list[Exception] = [
    RuntimeError("a bug"),
    ResponseError(f"Command # 1 (HGET run x) of pipeline caused error: {WRONG}"),
    ResponseError("hash value is not an integer script: 4f, on @user_script:3."),
    DataError("Invalid input of type: 'NoneType'"),
    FileNotFoundError(errno.ENOENT, "No such file", "shop.yaml"),
    OSError(errno.EOVERFLOW, "Value too large for defined data type"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
]
OF_ALL: list[Exception] = [
    TransientError("away"),
    RedisAwayError("away"),
    RedisSilentError("slow"),
    BusyLoadingError("loading"),
    ReadOnlyError("read-only"),
    ClusterDownError("CLUSTERDOWN the cluster is down"),
    ResponseError("MISCONF Redis is configured to save RDB snapshots, but cannot"),
    ResponseError("Error running script (call to f_4f): @user_script:3: -BUSY Redis is busy"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    OSError(errno.EHOSTUNREACH, "no route"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", OF_ONE, ids=repr)
def test_what_is_wrong_with_one_object_is_logged_once_counted_and_passed_over(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    complaints = Complaints(registry, "run")
    for _ in range(2):
        with complaints.about("run", "a") as outcome:
            raise error
        assert outcome.problem.startswith(type(error).__name__)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.messages[0].startswith("skipping run a, all others go on")
    assert registry.get_sample_value("serinus_objects_skipped_total", {"kind": "run"}) == 2


@pytest.mark.parametrize("error", OF_ALL, ids=repr)
def test_what_is_wrong_with_the_other_side_is_raised_for_it_concerns_all(error: Exception) -> None:
    with pytest.raises(type(error)), Complaints().about("run", "a"):
        raise error


def test_what_was_handled_meanwhile_is_complained_of_again(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    for fails in (True, False, True):
        with complaints.about("run", "a"):
            if fails:
                raise RuntimeError("a bug")
    assert len(caplog.records) == 2


def test_a_member_of_the_due_queue_that_is_no_text_is_nobodys_run() -> None:
    assert [run_of(member) for member in (b"test/shop/checkout", b"\xff\xfe")] == ["test/shop/checkout", None]
