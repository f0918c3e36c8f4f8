"""A blockchain node as a child process that ends with its parent, and the JSON-RPC client for it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 20.0
PROBE_PAUSE_SECONDS = 0.02
PR_SET_PDEATHSIG = 1


class NodeStartError(Exception):
    """A node did not come up; the message ends with the last lines it printed."""


class JsonRpcError(Exception):
    """The node answered with an error: its code and its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def free_port() -> int:
    """A TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program so that Linux ends it with the thread that started it; else None."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


class JsonRpcClient:
    """Calls a node's methods over one kept connection. Numbers with a point come back as Decimal."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(timeout=60.0, trust_env=False)
        parsed = httpx.URL(url)
        self._auth = httpx.BasicAuth(parsed.username, parsed.password) if parsed.username else None
        self._url = parsed.copy_with(username=None, password=None)

    def call(self, method: str, *params: Any) -> Any:
        """The method's result. Raises JsonRpcError for an error answer, httpx.HTTPError without an answer."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._post(request)
        if "error" in answer and answer["error"] is not None:
            raise JsonRpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def _post(self, request: Any) -> Any:
        body, headers = orjson.dumps(request), {"Content-Type": "application/json"}
        response = self._client.post(
            self._url, content=body, headers=headers, auth=self._auth or httpx.USE_CLIENT_DEFAULT
        )
        if response.status_code in (401, 403):
            response.raise_for_status()
        return response.json(parse_float=Decimal)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class NodeProcess:
    """A node that is started on construction of its context and ended with it.

    Public: ``url`` (with user and password), ``port``, ``pid``, ``rpc``, ``start``, ``stop``, ``kill``, ``restart``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        user: str = "",
        password: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        credentials = f"{user}:{password}@" if user else ""
        self.url = f"http://{credentials}127.0.0.1:{port}"
        self._command = list(command)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._client = JsonRpcClient(self.url)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the node

    @property
    def pid(self) -> int:
        """The node's process id; raises RuntimeError while it is not running."""
        if self._process is None:
            raise RuntimeError("the node is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the node was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def probe(self) -> None:
        """Ask something that succeeds exactly when the node is ready."""
        raise NotImplementedError

    def rpc(self, method: str, *params: Any) -> Any:
        """Call a method. Raises JsonRpcError for an error answer, httpx.HTTPError without an answer."""
        return self._client.call(method, *params)

    def start(self) -> Self:
        """Start the node and wait until it answers. Raises NodeStartError, also for a taken port."""
        self._require_free_port()
        self._output.seek(0)
        self._output.truncate()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=os.environ | self._environment,
            preexec_fn=_die_with_parent(),
            start_new_session=True,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask the node to end and wait for it; one that does not is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop and start again on the same port with the same data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop the node and free what belongs to it."""
        self.stop()
        self._client.close()
        self._output.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.probe()
            except (httpx.HTTPError, JsonRpcError, ValueError):
                time.sleep(PROBE_PAUSE_SECONDS)
            else:
                return
        raise NodeStartError(f"{self._command[0]} did not come up:\n{self._last_output()}")

    def _require_free_port(self) -> None:
        """Refuse a port on which somebody listens: he might answer the readiness probe instead of the node."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise NodeStartError(f"port {self.port} is taken: {error.strerror}") from None

    def _last_output(self) -> str:
        self._output.seek(0)
        return "\n".join(self._output.read().decode(errors="replace").splitlines()[-20:])
