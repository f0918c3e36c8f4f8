"""Handing states to whoever waits: once read for all, never an old one after a new one, never twice the same."""

import asyncio

import pytest

from payments.live_rooms import Full, Rooms, StateUnreadable


class Book:
    """An invoice's state as the test sets it, with how often it was read."""

    def __init__(self):
        self.state = {"phase": "awaiting", "seconds_left": 900}
        self.reads = 0
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, invoice_id):
        self.reads += 1
        state = self.state
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StateUnreadable
        return state


def run(scenario):
    async def body():
        book = Book()
        await asyncio.wait_for(scenario(book, Rooms(book.read, watchers_max=3, retry_seconds=0.01)), 5)

    asyncio.run(body())


def test_the_state_comes_first_and_then_each_change():
    async def scenario(book, rooms):
        watcher = rooms.join("a")
        assert (await watcher.next(timeout_seconds=1))["phase"] == "awaiting"
        book.state = {"phase": "paid", "seconds_left": 800}
        rooms.look_again(["a"])
        assert (await watcher.next(timeout_seconds=1))["phase"] == "paid"

    run(scenario)


def test_the_same_state_is_not_sent_twice_though_time_passes():
    async def scenario(book, rooms):
        watcher = rooms.join("a")
        await watcher.next(timeout_seconds=1)
        book.state = {"phase": "awaiting", "seconds_left": 1}
        rooms.look_again(["a"])
        assert await watcher.next(timeout_seconds=0.05) is None
        assert book.reads == 2

    run(scenario)


def test_one_read_serves_everyone_who_waits():
    async def scenario(book, rooms):
        watchers = [rooms.join("a") for _ in range(3)]
        states = [await watcher.next(timeout_seconds=1) for watcher in watchers]
        assert [state["phase"] for state in states] == ["awaiting"] * 3
        assert book.reads <= 3
        before = book.reads
        book.state = {"phase": "seen"}
        rooms.look_again(["a"])
        assert [(await watcher.next(timeout_seconds=1))["phase"] for watcher in watchers] == ["seen"] * 3
        assert book.reads == before + 1

    run(scenario)


def test_a_change_during_a_read_is_read_again():
    async def scenario(book, rooms):
        book.gate.clear()
        watcher = rooms.join("a")
        await asyncio.sleep(0.01)
        book.state = {"phase": "paid"}
        rooms.look_again(["a"])
        book.gate.set()
        seen = [(await watcher.next(timeout_seconds=1))["phase"]]
        if seen == ["awaiting"]:
            seen.append((await watcher.next(timeout_seconds=1))["phase"])
        assert seen[-1] == "paid"
        assert book.reads == 2

    run(scenario)


def test_a_slow_page_gets_the_newest_state_only():
    async def scenario(book, rooms):
        watcher = rooms.join("a")
        await watcher.next(timeout_seconds=1)
        for phase in ("seen", "confirming", "paid"):
            book.state = {"phase": phase}
            rooms.look_again(["a"])
            await asyncio.sleep(0.01)
        assert (await watcher.next(timeout_seconds=1))["phase"] == "paid"
        assert await watcher.next(timeout_seconds=0.02) is None

    run(scenario)


def test_a_database_that_is_away_is_asked_until_it_answers():
    async def scenario(book, rooms):
        book.failures = 5
        watcher = rooms.join("a")
        assert (await watcher.next(timeout_seconds=2))["phase"] == "awaiting"
        assert book.reads == 6

    run(scenario)


def test_an_unknown_invoice_closes_the_wait():
    async def scenario(book, rooms):
        book.state = None
        watcher = rooms.join("a")
        assert await watcher.next(timeout_seconds=1) is None
        assert watcher.closed

    run(scenario)


def test_no_more_watchers_than_allowed():
    async def scenario(book, rooms):
        watchers = [rooms.join(name) for name in "abc"]
        with pytest.raises(Full):
            rooms.join("d")
        rooms.leave("a", watchers[0])
        rooms.join("d")
        assert rooms.watcher_count == 3

    run(scenario)


def test_nothing_is_kept_or_read_for_an_invoice_that_nobody_watches():
    async def scenario(book, rooms):
        watcher = rooms.join("a")
        await watcher.next(timeout_seconds=1)
        rooms.leave("a", watcher)
        assert rooms.invoice_ids == []
        reads = book.reads
        rooms.look_again(["a"])
        await asyncio.sleep(0.02)
        assert book.reads == reads

    run(scenario)
