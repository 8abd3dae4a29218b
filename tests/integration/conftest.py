"""What is done in Redis is done on every kind of Redis that people run."""

import pytest

from tests.topologies import TOPOLOGIES

SUITES = (
    "runtime.test_streams",
    "runtime.test_scripts",
    "runtime.test_witness",
    "collector.test_registry",
    "controller.test_journal",
    "analyzer.test_evidence",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "redis_url" in metafunc.fixturenames and metafunc.module.__name__.endswith(SUITES):
        metafunc.parametrize("redis_url", list(TOPOLOGIES), indirect=True, scope="session")
