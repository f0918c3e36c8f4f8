"""The servers that the tests run on: one PostgreSQL for the run, one Redis for each of its processes.

The first process (pytest's own, or the controller of pytest-xdist) picks the ports and starts PostgreSQL; the worker
processes find its address in their environment, and pytest-django gives each worker a database of its own.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "var" / "tests"

SETTINGS_MODULE = "tests.settings"
SETTINGS = {
    "SECRET_KEY": "for the tests alone",
    "SECRETS_KEYS": base64.urlsafe_b64encode(b"for the tests alone".ljust(32)).decode(),
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "SITE_URL": "http://testserver",
    "LIVE_URL": "http://testserver",
    "DEBUG": "0",
    "NODE_URLS": "",
    "RATE_SOURCES": "payments.rates.fixed.Fixed",
    "RATE_PATHS_MIN": "1",
    "FIXED_RATES": "BTC=34000000,ETH=1700000,USDT=495",
    "WEBHOOKS_TO_PRIVATE_ADDRESSES": "1",
    "LOG_LEVEL": "WARNING",
}


class Harness:
    """The servers of one process of the test run."""

    def __init__(self) -> None:
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        self.is_worker = worker is not None
        self.postgres: EmbeddedPostgres | None = None
        if worker is None:
            self.directory = RUNS / f"run-{os.getpid()}"
            _remove_ended_runs()
            self.postgres = EmbeddedPostgres(self.directory / "postgres", durable=False)
            os.environ.update(
                SETTINGS, DATABASE_URL=self.postgres.url, ALATAU_PAY_TEST_RUN=str(self.directory)
            )
        else:
            self.directory = Path(os.environ["ALATAU_PAY_TEST_RUN"])
        self.redis = EmbeddedRedis(self.directory / f"redis-{worker or 'main'}", durable=False)
        os.environ["REDIS_URL"] = self.redis.url

    def start(self, *, runs_tests: bool) -> None:
        """Start this process's servers; a controller that runs no test itself needs no Redis."""
        if self.postgres is not None:
            self.postgres.start()
        if runs_tests:
            self.redis.start()
            self.redis.wait_ready()
        if self.postgres is not None:
            self.postgres.wait_ready()

    def stop(self) -> None:
        """Stop this process's servers; the last one out removes the run's directory."""
        self.redis.stop()
        if self.postgres is not None:
            self.postgres.stop()
            shutil.rmtree(self.directory, ignore_errors=True)


def _remove_ended_runs() -> None:
    """Remove what runs left behind that were killed before they could."""
    for directory in RUNS.glob("run-*"):
        try:
            os.kill(int(directory.name.removeprefix("run-")), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
