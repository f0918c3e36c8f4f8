"""The end of an exchange with a foreign server, however slowly it speaks: HTTP libraries bound each read, not the whole."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class Deadline:
    """Shuts the connections of one exchange after ``seconds``: bytes that come one at a time would be read for ever.

    A context manager: the time counts from its beginning, and at its end the handles that were noted are closed.
    """

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._opened: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._timer.cancel()
        for connection in self._opened:
            connection.close()

    def note(self, connection: socket.socket) -> None:
        """Take in a connection that was just opened. A duplicate is kept, since TLS takes the first handle over."""
        self._opened.append(connection.dup())
        if self.has_passed:
            self._shut()

    def _pass(self) -> None:
        self.has_passed = True
        self._shut()

    def _shut(self) -> None:
        for connection in list(self._opened):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already, which is what was wanted
