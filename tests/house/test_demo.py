"""``make demo`` as a person meets it: it starts, says where to look, heals, stops without a trace, and keeps its data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120.0

pytestmark = pytest.mark.long


class Demo:
    """A demo in a directory of its own, started as the Makefile starts it."""

    def __init__(self, directory, *arguments):
        self.directory = directory
        # The settings of the tests are not the demo's.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "BITCOIND") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devnet.demo", "--directory", str(directory), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def description(self):
        path = self.directory / "demo.json"
        deadline = time.monotonic() + READY_SECONDS
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"the demo did not become ready:\n{self.process.communicate()[0]}")
            time.sleep(0.05)
        return json.loads(path.read_text())

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output


@pytest.fixture
def start(tmp_path):
    """Starts demos on the test's directory, each on a port that the kernel picked."""
    demos = []

    def start_demo(*arguments):
        demo = Demo(tmp_path / "var", *(arguments or ("--port", str(free_port()))))
        demos.append(demo)
        return demo

    yield start_demo
    for demo in demos:
        if demo.process.poll() is None:
            demo.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    """The processes that ``pid`` started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def descendants(pid):
    """Every process below ``pid``."""
    below = children_of(pid)
    return [*below, *(deeper for child in below for deeper in descendants(child))]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid):
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, *, seconds=30.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def create_invoice(description):
    return httpx.post(
        f"{description['base_url']}/api/v1/stores/{description['store_id']}/invoices",
        headers={"Authorization": f"token {description['api_key']}"},
        json={"amount": "12500.00", "currency": "KZT"},
        trust_env=False,
        timeout=30,
    )


def test_it_takes_orders_heals_stops_without_a_trace_and_keeps_its_data(start):
    demo = start()
    description = demo.description()
    needed = {"base_url", "api_key", "store_id", "webhook_secret", "admin", "merchant", "nodes"}
    assert needed <= description.keys()
    assert (demo.directory / "demo.json").stat().st_mode & 0o077 == 0

    answer = create_invoice(description)
    assert answer.status_code == 200, answer.text
    checkout = httpx.get(answer.json()["checkoutLink"], trust_env=False)
    assert checkout.status_code == 200

    # The server itself and not one of its workers, which it would replace by itself.
    web = next(pid for pid in children_of(demo.process.pid) if "gunicorn" in command_of(pid))
    os.kill(web, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(web))
    assert wait_until(lambda: answers(description["base_url"])), "the web server was not started again"

    started = descendants(demo.process.pid)
    assert len(started) > 8
    output = demo.stop()
    assert demo.process.returncode == 0
    assert "web died; starting it again" in output
    assert [command_of(pid) for pid in started if is_alive(pid)] == []
    assert not (demo.directory / "demo.json").exists()

    again = start().description()
    assert (again["store_id"], again["api_key"]) == (description["store_id"], description["api_key"])
    invoice = httpx.get(
        f"{again['base_url']}/api/v1/stores/{again['store_id']}/invoices/{answer.json()['id']}",
        headers={"Authorization": f"token {again['api_key']}"},
        trust_env=False,
    )
    assert invoice.json()["amount"] == "12500.00"


def test_taken_ports_are_replaced_and_a_second_demo_on_the_same_data_is_refused(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start("--port", str(port))
        description = demo.description()
        assert description["base_url"] != f"http://127.0.0.1:{port}"
        assert answers(description["base_url"])
        second = start()
        output, _ = second.process.communicate(timeout=30)
        assert second.process.returncode == 1
        assert "a demo is already running" in output
        assert output.count("\n") == 1
        assert answers(description["base_url"])


def test_nothing_is_left_when_the_demo_itself_is_killed(start):
    demo = start()
    demo.description()
    started = descendants(demo.process.pid)
    demo.process.kill()
    demo.process.wait()
    assert wait_until(lambda: not any(map(is_alive, started)), seconds=20), [
        command_of(pid) for pid in started if is_alive(pid)
    ]


def test_ctrl_c_while_starting_leaves_nothing(start):
    demo = start()
    assert wait_until(lambda: any("postgres" in command_of(pid) for pid in descendants(demo.process.pid)))
    started = descendants(demo.process.pid)
    demo.stop(signal.SIGINT)
    assert demo.process.returncode == 0
    assert [command_of(pid) for pid in started if is_alive(pid)] == []


def answers(base_url):
    try:
        return httpx.get(f"{base_url}/api/v1/health", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
