"""The supervisor: real programs that die, come back, and are all gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from alatau_pay.embedded.process import ChildProcess, StartFailed
from devnet.supervisor import RESTART_PAUSE_SECONDS, Service, Supervisor

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"


def make_child(tmp_path, name, program=SLEEPS):
    return ChildProcess(
        name, [sys.executable, "-c", program], log_path=tmp_path / f"{name}.log", stop_seconds=2
    )


def make_service(child):
    return Service.of_program(child, lambda: "up" in child.log_tail())


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(said):
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop()


def watch_until(supervisor, condition, *, seconds=15.0):
    """Let the supervisor work until the condition holds; it looks at each service in every round."""
    deadline = time.monotonic() + seconds

    def look():
        if condition() or time.monotonic() > deadline:
            raise KeyboardInterrupt
        return True

    supervisor.start(
        Service("observer", lambda: None, look, lambda: True, lambda: None, lambda: None, lambda: None)
    )
    with pytest.raises(KeyboardInterrupt):
        supervisor.watch()
    assert condition()


def test_a_program_that_is_killed_starts_again_and_that_is_said(tmp_path, supervisor, said):
    child = make_child(tmp_path, "web")
    supervisor.start(make_service(child))
    supervisor.wait_ready(seconds=10)
    first_pid = child.pid
    os.kill(first_pid, signal.SIGKILL)
    watch_until(supervisor, lambda: child.pid not in (None, first_pid))
    assert said == [
        f"web died; starting it again in {RESTART_PAUSE_SECONDS:g} s (see {tmp_path / 'web.log'})"
    ]


def test_the_pause_doubles_while_a_program_keeps_dying(tmp_path, supervisor, said):
    child = make_child(tmp_path, "worker", "exit(1)")
    supervisor.start(make_service(child))
    watch_until(supervisor, lambda: len(said) >= 3)
    assert [line.split(" again in ")[1].split(" s ")[0] for line in said[:3]] == ["0.5", "1", "2"]


def test_a_program_that_dies_leaves_nothing_that_its_successor_could_meet(tmp_path, supervisor):
    orphaning = "import os, subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, 'up', flush=True); time.sleep(600)"
    child = make_child(tmp_path, "worker", orphaning)
    supervisor.start(make_service(child))
    supervisor.wait_ready(seconds=10)
    orphan = int(child.log_tail().split()[0])
    os.kill(child.pid, signal.SIGKILL)
    watch_until(supervisor, lambda: len(child.log_tail().splitlines()) == 2)
    assert is_gone(orphan)


def test_a_program_that_ends_while_starting_is_named_with_its_log(tmp_path, supervisor):
    supervisor.start(make_service(make_child(tmp_path, "beat", "exit(2)")))
    with pytest.raises(StartFailed, match=rf"beat ended while starting \(see {tmp_path / 'beat.log'}\)"):
        supervisor.wait_ready(seconds=10)


def test_a_program_that_is_never_ready_is_named(tmp_path, supervisor):
    supervisor.start(make_service(make_child(tmp_path, "live", "import time; time.sleep(600)")))
    with pytest.raises(StartFailed, match="not ready in 0 s: live"):
        supervisor.wait_ready(seconds=0.3)


def test_stopping_ends_everything_and_servers_last(tmp_path, supervisor):
    order = []
    children = [make_child(tmp_path, name) for name in ("database", "web", "worker")]
    for child in children:
        service = make_service(child)
        service.stop = lambda child=child: (order.append(child.name), child.stop())
        supervisor.start(service)
    supervisor.wait_ready(seconds=10)
    pids = [child.pid for child in children]
    supervisor.stop()
    assert order == ["worker", "web", "database"]
    assert all(is_gone(pid) for pid in pids)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as status:
        return status.read().rpartition(") ")[2].startswith("Z")
