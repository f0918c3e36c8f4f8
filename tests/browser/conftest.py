"""A real browser on the real servers: the pages by WSGI, the live status by ASGI, each a process of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from alatau_pay.embedded.ports import free_port, is_listening
from alatau_pay.embedded.process import ChildProcess
from merchants.models import User
from tests.harness import SETTINGS_MODULE
from tests.payments.live_process import live_server
from tests.world import World, build

PHONE = {"width": 390, "height": 844}
# What the browser itself notes when a test takes the network away. Anything else that it complains of fails the test: an
# error in a script, a breach of the content security policy, an answer that is no success.
HARMLESS = "Failed to load resource: net::ERR"


@dataclass(frozen=True)
class Site:
    """Where the two servers listen, and the parts of them a test may stop."""

    url: str
    live_url: str
    web: ChildProcess


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """Chromium: the one on PATH, or the one that Playwright installed. Gone with the module: its event loop is in the way."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for asynchronous code of ours.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        try:
            started = playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
            )
        except Error as error:
            pytest.skip(f"no Chromium could be started (install chromium): {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both servers, on this process's test database and Redis."""
    directory, web_port, live_port = tmp_path_factory.mktemp("site"), free_port(), free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}",
        "SITE_URL": f"http://127.0.0.1:{web_port}",
        "LIVE_URL": f"http://127.0.0.1:{live_port}",
    }
    web = _web_server(environment, directory, web_port)
    try:
        with live_server(environment, directory, port=live_port) as live_url:
            web.wait_until(lambda: is_listening(web_port), seconds=30)
            yield Site(environment["SITE_URL"], live_url, web)
    finally:
        web.stop()


def _web_server(environment: dict[str, str], directory: Path, port: int) -> ChildProcess:
    command = [
        sys.executable, "-m", "gunicorn", "alatau_pay.wsgi:application",
        "--bind", f"127.0.0.1:{port}", "--threads", "4", "--no-control-socket",
    ]  # fmt: skip
    process = ChildProcess("web", command, log_path=directory / "web.log", environment=environment)
    process.start()
    return process


@pytest.fixture
def now() -> datetime:
    """The moment of the test."""
    return timezone.now()


@pytest.fixture
def city(transactional_db: None, now: datetime) -> World:
    """The small city, committed, so that the servers see it."""
    return build(now)


@pytest.fixture
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    """A phone that may use its clipboard."""
    opened = browser.new_context(
        base_url=site.url, viewport=PHONE, device_scale_factor=2, has_touch=True, locale="en-GB"
    )
    opened.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab; at the end no script has failed and the content security policy was kept."""
    opened, complaints = context.new_page(), []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    assert [text for text in complaints if not text.startswith(HARMLESS)] == []


def log_in(context: BrowserContext, user: User, url: str) -> None:
    """``user``'s session in the browser's cookies."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie: Any = client.cookies["sessionid"]
    context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": url}])
