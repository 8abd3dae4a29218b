"""Ports for tests' servers."""

import socket

import pytest

from tests.servers import free_port


def test_a_free_port_is_given_to_nobody_else_though_nothing_listens_on_it_yet() -> None:
    port = free_port()
    with socket.socket(type=socket.SOCK_DGRAM) as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port))
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
