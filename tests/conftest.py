"""What every test can use: real servers, real nodes, and a summary that hides no skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import SETTINGS_MODULE, Harness

# Settings read the environment when they are loaded, and test modules import models when they are collected.
harness = Harness()

import django  # noqa: E402

# Not in the environment that the workers inherit: pytest-django would load their settings before their own Redis is known.
os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS_MODULE
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]

from django.db import connection  # noqa: E402
from django.db.backends.postgresql.operations import DatabaseOperations  # noqa: E402

from tests import flushing  # noqa: E402
from tests.foreign_server import ForeignServer  # noqa: E402

if TYPE_CHECKING:
    from devnet.anvil import AnvilProcess
    from devnet.bitcoin_node import BitcoinNodeProcess
    from merchants.models import Merchant
    from tests.world import World


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, before pytest-xdist starts its workers."""
    if config.option.collectonly or config.option.help:
        return
    runs_tests = harness.is_worker or not config.getoption("numprocesses", None)
    harness.start(runs_tests=runs_tests)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers; say last of all what could not run, and why."""
    harness.stop()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or harness.is_worker:
        return
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reporter.write_line(
            f"could not run: {report.nodeid}: {reason.removeprefix('Skipped: ')}", yellow=True
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as long what starts a whole gateway or a browser, and begin with whole gateways: begun last, one worker would
    still be at them for minutes after the other has nothing to do."""
    for item in items:
        if {"whole_way", "browser"} & set(item.path.parts):
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: "whole_way" not in item.path.parts)


DatabaseOperations.execute_sql_flush = flushing.flush  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database, migrated; what the migrations wrote is put back after each test that commits."""
    with django_db_blocker.unblock():
        flushing.keep_first_rows()


@pytest.fixture
def foreign_server() -> Iterator[ForeignServer]:
    """An HTTP server on loopback whose answers the test sets: ``.url``, ``.answers``, ``.asked``."""
    with ForeignServer().running() as server:
        yield server


@pytest.fixture
def redis_server() -> Any:
    """This process's Redis: ``.url``, ``.flush()``, ``.restart()``."""
    return harness.redis


@pytest.fixture(scope="module")
def bitcoin_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoinNodeProcess]:
    """A fresh regtest development node for the module: ``.url``, ``.rpc(method, *params)``, ``.stop()``, ``.kill()``."""
    from devnet.bitcoin_node import BitcoinNodeProcess

    with BitcoinNodeProcess(tmp_path_factory.mktemp("bitcoin")) as node:
        yield node


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilProcess]:
    """A fresh EVM development node for the module: ``.url``, ``.rpc(method, *params)``, ``.stop()``, ``.kill()``."""
    from devnet.anvil import AnvilProcess

    with AnvilProcess(tmp_path_factory.mktemp("anvil")) as node:
        yield node


@pytest.fixture
def program_environment(transactional_db: None) -> dict[str, str]:
    """The environment in which a program of ours, started by a test, works on this test's database and Redis."""
    database_url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "DATABASE_URL": database_url,
        "REDIS_URL": harness.redis.url,
    }


@pytest.fixture
def world(db: None) -> World:
    """A small city: an approved merchant, its store, two networks, fresh prices. See ``tests.world``."""
    from tests.world import build

    return build()


@pytest.fixture
def merchant(world: World) -> Merchant:
    """The small city's merchant."""
    return world.merchant
