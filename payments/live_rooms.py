"""Who is watching which invoice, and handing each of them the newest state: asyncio only, no HTTP, no Django."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Status = dict[str, Any]
# Reads an invoice's public state: None when there is no such invoice; raises StateUnreadable when asking again may help.
ReadStatus = Callable[[str], Awaitable[Status | None]]


class StateUnreadable(Exception):
    """The database did not answer; the same question may be answered in a moment."""


class Full(Exception):
    """As many pages are watching as this process takes."""


class Watcher:
    """One open page. Holds only the newest state it has not been sent: a slow phone skips states, it never queues them."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._newest: Status | None = None
        self._sent: Status | None = None
        self.closed = False

    def offer(self, status: Status) -> None:
        """Take ``status`` to be sent, unless the page has just that already (the passing of time is no news)."""
        if self._sent is None or _without_clock(status) != self._sent:
            self._newest = status
            self._changed.set()

    def close(self) -> None:
        """End the wait: the page has gone, or the invoice does not exist."""
        self.closed = True
        self._changed.set()

    async def next(self, *, timeout_seconds: float) -> Status | None:
        """The next state to send, or None when nothing changed for so long or the watcher is closed."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_seconds)
        except TimeoutError:
            return None
        if self.closed or self._newest is None:
            return None
        self._changed.clear()
        self._sent = _without_clock(self._newest)
        return self._newest


class _Room:
    """The watchers of one invoice, and whether its state is being read for them."""

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.stale = False
        self.reading: asyncio.Task[None] | None = None


class Rooms:
    """All watchers of this process. A change is read from the database once and given to everyone who waits for it."""

    def __init__(self, read_status: ReadStatus, *, watchers_max: int, retry_seconds: float = 1.0) -> None:
        self._read_status = read_status
        self._watchers_max = watchers_max
        self._retry_seconds = retry_seconds
        self._rooms: dict[str, _Room] = {}
        self.watcher_count = 0

    @property
    def invoice_ids(self) -> list[str]:
        """The invoices somebody waits for."""
        return list(self._rooms)

    def join(self, invoice_id: str) -> Watcher:
        """Start watching. The state is read after joining, so that no change falls between the two.

        Raises:
            Full: as many are watching as allowed.
        """
        if self.watcher_count >= self._watchers_max:
            raise Full
        watcher = Watcher()
        self._rooms.setdefault(invoice_id, _Room()).watchers.add(watcher)
        self.watcher_count += 1
        self.look_again([invoice_id])
        return watcher

    def leave(self, invoice_id: str, watcher: Watcher) -> None:
        """Stop watching."""
        room = self._rooms[invoice_id]
        room.watchers.remove(watcher)
        self.watcher_count -= 1
        if not room.watchers:
            del self._rooms[invoice_id]

    def look_again(self, invoice_ids: Iterable[str]) -> None:
        """Read the state of each invoice that somebody waits for; asking twice during a read makes one more read."""
        for invoice_id in invoice_ids:
            room = self._rooms.get(invoice_id)
            if room is not None:
                room.stale = True
                if room.reading is None:
                    room.reading = asyncio.create_task(self._read(invoice_id, room))

    async def _read(self, invoice_id: str, room: _Room) -> None:
        try:
            while room.stale and room.watchers:
                room.stale = False
                await self._read_once(invoice_id, room)
        finally:
            room.reading = None

    async def _read_once(self, invoice_id: str, room: _Room) -> None:
        try:
            status = await self._read_status(invoice_id)
        except StateUnreadable:
            room.stale = True
            await asyncio.sleep(self._retry_seconds)
            return
        for watcher in list(room.watchers):
            watcher.close() if status is None else watcher.offer(status)


def _without_clock(status: Status) -> Status:
    return {key: value for key, value in status.items() if key != "seconds_left"}
