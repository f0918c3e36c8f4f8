"""Child processes that never outlive us.

A child gets its own session, so that Ctrl-C at the terminal reaches only the parent, which then stops its children in
order. Should the parent be killed, the kernel signals the child (Linux). What a child leaves behind dies with its group.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class StartFailed(Exception):
    """A server did not become ready; the message names its log and quotes the end of it."""


class ChildProcess:
    """One program, started and stopped as often as needed; its output is appended to a log file.

    Start it from a thread that lives as long as the child should: the kernel takes the end of the starting *thread*
    for the end of the parent.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        before_exec: Callable[[], None] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = log_path
        self._environment = environment
        self._directory = directory
        self._before_exec = before_exec
        self._stop_signal = stop_signal
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        # Whoever restarts the program and whoever keeps it running may both find it gone at the same moment.
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The status of the last run, negative for the signal that ended it; None while it runs or before."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the program unless it runs; its output goes to the end of the log file."""
        with self._starting:
            if not self.is_running:
                self._start()

    def _start(self) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if self._environment is None else dict(self._environment),
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=self._in_child(os.getpid()),
            )

    def _in_child(self, parent_pid: int) -> Callable[[], None]:
        def prepare() -> None:
            if self._before_exec is not None:
                self._before_exec()
            # After the change of user, which would clear it again.
            if sys.platform == "linux":
                _libc.prctl(_PR_SET_PDEATHSIG, int(self._stop_signal), 0, 0, 0)
                if os.getppid() != parent_pid:
                    os._exit(1)

        return prepare

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once; :meth:`stop` waits."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def stop(self) -> None:
        """Ask, wait for ``stop_seconds``, then kill. Nothing of the child's session is left when this returns."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End the program and all it started with SIGKILL, as a power cut would."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Nothing is left of the group, or only a zombie that macOS refuses to signal.
            pass
        self._process.wait()

    def log_tail(self, *, lines: int = 15) -> str:
        """The end of the log file."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, poll_seconds: float = 0.02) -> None:
        """Wait until ``ready()``; raises StartFailed when the program ends first or the time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running:
                raise StartFailed(
                    f"{self.name} ended with status {self.exit_status}, see {self.log_path}:\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.name} was not ready in {seconds:.0f} s, see {self.log_path}:\n{self.log_tail()}"
                )
            time.sleep(poll_seconds)
