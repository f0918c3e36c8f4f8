"""The live-status server: GET /live/i/<invoice_id> pushes an invoice's public state as server-sent events.

A small ASGI application of its own, since synchronous Django pages are served faster by WSGI. One Redis subscription for the
process says *that* an invoice changed; *what* it is now is read from the database, off the event loop, once for all who
wait. A Redis or a database that restarts delays a page; it never lies to it.

Run: ``uvicorn alatau_pay.asgi:application --timeout-graceful-shutdown 1`` (open streams would hold back the end).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import Sum
from django.utils import timezone
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from payments.live_channel import channel_of, invoice_of
from payments.live_rooms import Full, Rooms, StateUnreadable, Status, Watcher
from payments.models import Invoice
from payments.presentation import status_of

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

WATCHERS_MAX = 5000
READER_THREADS = 4
KEEP_ALIVE_SECONDS = 15.0
# How often everything watched is compared with the database, for the announcement that got lost.
SWEEP_SECONDS = 20.0
FIRST_STATE_SECONDS_MAX = 5.0
RECONNECT_SECONDS = 1.0
# What a browser waits before it connects again; for ever, once there is nothing more to come.
RETRY_MILLISECONDS = 2000
RETRY_NEVER_MILLISECONDS = 86_400_000

_PATH = re.compile(r"^/live/i/([A-Za-z0-9]{1,32})/?$", re.ASCII)


class LiveServer:
    """The ASGI application. Holds nothing that matters: a page that loses it reconnects or polls."""

    def __init__(self, *, watchers_max: int = WATCHERS_MAX) -> None:
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="live-reader")
        self._rooms = Rooms(self._read_status, watchers_max=watchers_max)
        self._background: list[asyncio.Task[None]] = []
        self._listening = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One ASGI connection: the process's lifespan, a stream, or the health check."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self._start()
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _start(self) -> None:
        # Servers without the lifespan protocol start us with their first request.
        if not self._background:
            self._background = [asyncio.create_task(self._listen()), asyncio.create_task(self._sweep())]

    async def _stop(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background = []
        self._readers.shutdown(wait=False)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        path, match = scope["path"], _PATH.match(scope["path"])
        if scope["method"] != "GET":
            await _answer_json(send, 405, {"error": "only GET"})
        elif path == "/healthz":
            await self._health(send)
        elif match is None:
            await _answer_json(send, 404, {"error": "not found"})
        else:
            await self._stream(match.group(1), receive, send)

    async def _health(self, send: Send) -> None:
        try:
            await self._in_reader(Invoice.objects.exists)
            database = True
        except StateUnreadable:
            database = False
        state = {"redis": self._listening, "database": database, "watchers": self._rooms.watcher_count}
        await _answer_json(send, 200 if self._listening and database else 503, state)

    async def _stream(self, invoice_id: str, receive: Receive, send: Send) -> None:
        try:
            watcher = self._rooms.join(invoice_id)
        except Full:
            await _answer_json(send, 503, {"error": "too many pages are watching"}, retry_after_seconds=10)
            return
        departure = asyncio.create_task(_await_departure(receive, watcher))
        try:
            # A database that does not answer yet is waited for inside the stream.
            first = await watcher.next(timeout_seconds=FIRST_STATE_SECONDS_MAX)
            if watcher.closed:
                await _answer_json(send, 404, {"error": "not found"})
            else:
                await _send_events(watcher, first, send)
        finally:
            departure.cancel()
            self._rooms.leave(invoice_id, watcher)

    async def _read_status(self, invoice_id: str) -> Status | None:
        return await self._in_reader(_read_status, invoice_id)

    async def _in_reader(self, function: Callable[..., Any], *arguments: str | list[str]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _with_connection, function, *arguments)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_until_broken()
            except (RedisError, OSError) as error:
                if self._listening:
                    logger.warning("announcements stopped, looking by myself: Redis %s", type(error).__name__)
                self._listening = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_broken(self) -> None:
        # No retries of the client's own: it would subscribe again silently, and what was said in between would be missed.
        never = Retry(NoBackoff(), retries=0)
        client = Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_keepalive=True, retry=never)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.psubscribe(channel_of("*"))
                self._listening = True
                self._rooms.look_again(self._rooms.invoice_ids)
                async for message in subscription.listen():
                    self._rooms.look_again([invoice_of(message["channel"].decode())])
        finally:
            await client.aclose()

    async def _sweep(self) -> None:
        seen: dict[str, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                found = await self._in_reader(_marks, self._rooms.invoice_ids)
            except StateUnreadable:
                continue
            self._rooms.look_again([key for key, mark in found.items() if seen.get(key) != mark])
            seen = found


async def _await_departure(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.close()


async def _send_events(watcher: Watcher, first: Status | None, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": _headers(b"text/event-stream; charset=utf-8"),
        }
    )
    await _send_body(send, f"retry: {RETRY_MILLISECONDS}\n\n", more=True)
    status = first
    while not watcher.closed:
        await _send_body(send, ": keep-alive\n\n" if status is None else _event(status), more=True)
        if status is not None and status["final"]:
            break
        status = await watcher.next(timeout_seconds=KEEP_ALIVE_SECONDS)
    await _send_body(send, "", more=False)


def _event(status: Status) -> str:
    retry = f"retry: {RETRY_NEVER_MILLISECONDS}\n" if status["final"] else ""
    return f"{retry}data: {json.dumps(status, ensure_ascii=False)}\n\n"


async def _answer_json(
    send: Send, code: int, body: Status, *, retry_after_seconds: int | None = None
) -> None:
    headers = _headers(b"application/json")
    if retry_after_seconds is not None:
        headers.append((b"retry-after", str(retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await _send_body(send, json.dumps(body), more=False)


async def _send_body(send: Send, text: str, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


def _headers(content_type: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", content_type),
        (b"cache-control", b"no-store"),
        (b"access-control-allow-origin", settings.SITE_URL.encode()),
        (b"vary", b"origin"),
        (b"x-content-type-options", b"nosniff"),
        # A proxy that collects the stream before passing it on would make it useless.
        (b"x-accel-buffering", b"no"),
    ]


def _with_connection(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call ``function`` in a reader thread on a database connection that was tried first."""
    close_old_connections()
    try:
        return function(*arguments)
    except (DatabaseError, InterfaceError) as error:
        raise StateUnreadable(type(error).__name__) from error


def _read_status(invoice_id: str) -> Status | None:
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    return None if invoice is None else status_of(invoice, timezone.now())


def _marks(invoice_ids: list[str]) -> dict[str, tuple[int, int]]:
    """What changes with an invoice's state: its revision and the sum of its payments' confirmations."""
    rows = Invoice.objects.filter(pk__in=invoice_ids).annotate(
        depth=Sum("payments__confirmations", default=0)
    )
    return {pk: (revision, depth) for pk, revision, depth in rows.values_list("pk", "revision", "depth")}


application = LiveServer()
