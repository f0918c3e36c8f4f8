"""Asking a foreign server ends at the deadline, however slowly it speaks."""

import threading
import time

import pytest

from alatau_pay.http import Unreachable, get_bytes
from tests.foreign_server import Answer, ForeignServer, dripping


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"]
)
def test_a_server_that_drips_is_cut_off_at_the_deadline(first):
    """Each byte restarts the time-out of a read; a source of prices that did so kept a thread more at each asking."""
    with dripping(first) as url:
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"longer than 0\.7 seconds"):
            get_bytes(url, timeout_seconds=0.7)
        assert 0.5 < time.monotonic() - started < 3


def test_an_answer_in_time_is_whole_and_leaves_nothing_that_waits():
    with ForeignServer().running() as server:
        server.answers["/"] = Answer(b"x" * 3_000_000, delay_seconds=0.2)
        assert get_bytes(server.url + "/", timeout_seconds=5) == b"x" * 3_000_000
    waiting = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert all(each.finished.is_set() for each in waiting)
