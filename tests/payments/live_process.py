"""The live-status server as its own process, and a client that reads its stream: what a browser's EventSource does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from alatau_pay.embedded.ports import free_port, is_listening
from alatau_pay.embedded.process import ChildProcess


@contextmanager
def live_server(environment: dict[str, str], directory: Path, *, port: int | None = None) -> Iterator[str]:
    """uvicorn with our application; yields its address."""
    port = port or free_port()
    command = [
        sys.executable, "-m", "uvicorn", "alatau_pay.asgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", "1",
    ]  # fmt: skip
    process = ChildProcess("live", command, log_path=directory / "live.log", environment=environment)
    process.start()
    try:
        process.wait_until(lambda: is_listening(port) and _is_healthy(port), seconds=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


def _is_healthy(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


class Stream:
    """An open stream: ``next()`` waits for the next state."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> dict[str, object]:
        """The next state; raises StopIteration when the server ends the stream."""
        for line in self._lines:
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
        raise StopIteration

    def next_comment(self) -> str:
        """The next line that says nothing but that the server is there."""
        return next(line for line in self._lines if line.startswith(":"))

    def until(self, phase: str, *, seconds: float = 20.0) -> dict[str, object]:
        """The first state in ``phase``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.next()
            if state["phase"] == phase:
                return state
        raise AssertionError(f"never {phase}")


@contextmanager
def stream(url: str, invoice_id: str, *, seconds: float = 30.0) -> Iterator[Stream]:
    """The stream of one invoice; a read that waits longer than ``seconds`` raises httpx.ReadTimeout."""
    with httpx.stream("GET", f"{url}/live/i/{invoice_id}", timeout=seconds) as response:
        yield Stream(response)
