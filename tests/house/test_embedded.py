"""The embedded servers: they start, survive a crash with what was committed, and leave no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis
from alatau_pay.embedded.ports import free_port, is_free
from alatau_pay.embedded.process import ChildProcess, StartFailed


def test_postgres_keeps_what_was_committed_before_a_crash(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept (tiyn numeric(78,0))")
            connection.execute("INSERT INTO kept VALUES (10 ^ 77)")
        server.kill()
        server.start()
        server.wait_ready()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT tiyn FROM kept").fetchone() == (10**77,)


def test_postgres_keeps_its_password_and_data_for_the_next_start(tmp_path):
    with (
        EmbeddedPostgres(tmp_path / "postgres", durable=True) as server,
        psycopg.connect(server.url) as connection,
    ):
        connection.execute("CREATE TABLE kept ()")
    with (
        EmbeddedPostgres(tmp_path / "postgres", durable=True) as again,
        psycopg.connect(again.url) as connection,
    ):
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_postgres_refuses_a_wrong_password(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"postgres://alatau_pay:wrong@127.0.0.1:{server.port}/alatau_pay")


def test_postgres_stops_although_a_connection_is_open(tmp_path):
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        connection = psycopg.connect(server.url)
        server.stop()
        assert not server.process.is_running
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_redis_keeps_durable_data_and_its_password_over_a_restart(tmp_path):
    with EmbeddedRedis(tmp_path / "redis", durable=True) as server:
        with Redis.from_url(server.url) as client:
            client.set("seen", "yes")
            server.restart()
            assert client.get("seen") == b"yes"
            server.flush()
            assert client.get("seen") is None


def test_redis_password_is_not_on_the_command_line(tmp_path):
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        password = server.url.split("@")[0].rpartition(":")[2]
        assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
        assert (tmp_path / "redis" / "redis.conf").stat().st_mode & 0o077 == 0


def test_a_taken_port_is_replaced_by_a_free_one(tmp_path):
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        assert not is_free(server.port)
        other = free_port(server.port)
        assert other != server.port
        assert is_free(other)


def test_a_program_that_ends_at_once_is_reported_with_its_log(tmp_path):
    child = ChildProcess(
        "broken", [sys.executable, "-c", "print('no such thing'); exit(3)"], log_path=tmp_path / "log"
    )
    child.start()
    with pytest.raises(StartFailed, match=r"broken ended with status 3.*\n.*no such thing"):
        child.wait_until(lambda: False, seconds=10)


def test_two_who_start_a_program_at_once_start_it_once(tmp_path):
    """As when somebody restarts a server at the moment at which the supervisor sees it gone."""
    started = tmp_path / "started"
    program = (
        f"from pathlib import Path; import time; Path({str(started)!r}).open('a').write('x'); time.sleep(30)"
    )
    child = ChildProcess("program", [sys.executable, "-c", program], log_path=tmp_path / "log")
    together, begun, seen = threading.Barrier(8), threading.Barrier(9), threading.Event()

    def start():
        together.wait()
        child.start()
        begun.wait(30)
        # A child is ended when the thread that started it ends, not only the process.
        seen.wait(30)

    threads = [threading.Thread(target=start) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        begun.wait(30)
        child.wait_until(lambda: started.exists(), seconds=20)
        time.sleep(0.5)
        assert started.read_text() == "x"
    finally:
        child.stop()
        seen.set()


def test_a_child_that_ignores_the_signal_is_killed_with_all_it_started(tmp_path):
    deaf = "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN);"
    deaf += "print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    child = ChildProcess("deaf", [sys.executable, "-c", deaf], log_path=tmp_path / "log", stop_seconds=0.3)
    child.start()
    child.wait_until(lambda: bool(child.log_tail()), seconds=10)
    grandchild = int(child.log_tail())
    child.stop()
    assert child.exit_status == -signal.SIGKILL
    assert _ended(grandchild)


def test_children_end_when_their_parent_is_killed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis\n"
        "base = Path(sys.argv[1])\n"
        "with EmbeddedPostgres(base / 'p', durable=False) as p, EmbeddedRedis(base / 'r', durable=False) as r:\n"
        "    print(p.process.pid, r.process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(text) for text in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    assert all(_ended(pid) for pid in pids)


def _ended(pid: int, *, seconds: float = 10.0) -> bool:
    """Whether the process ends in time; a zombie that nobody has waited for yet has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z"):
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False
