"""Keeps the demo's programs running: starts them, restarts what dies, stops them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis
from alatau_pay.embedded.process import ChildProcess, StartFailed
from devnet.process import JsonRpcError, NodeProcess, NodeStartError

POLL_SECONDS = 0.1
HEALTH_SECONDS = 10.0
#: The first pause before a restart; it doubles with each death, up to the longest.
RESTART_PAUSE_SECONDS = 0.5
RESTART_PAUSE_SECONDS_MAX = 30.0
#: A program that ran this long before it died starts again with the first pause.
STEADY_SECONDS = 60.0


@dataclass
class Service:
    """One program as the supervisor sees it. ``start`` may return before the program is ready."""

    name: str
    start: Callable[[], object]
    is_running: Callable[[], bool]
    is_ready: Callable[[], bool]
    ask_to_stop: Callable[[], None]
    stop: Callable[[], None]
    kill: Callable[[], None]
    log_path: Path | None = None

    @classmethod
    def of_program(cls, child: ChildProcess, is_ready: Callable[[], bool]) -> Service:
        """One of our own programs."""
        return cls(
            child.name,
            child.start,
            lambda: child.is_running,
            is_ready,
            child.ask_to_stop,
            child.stop,
            child.kill,
            child.log_path,
        )

    @classmethod
    def of_server(cls, server: EmbeddedPostgres | EmbeddedRedis) -> Service:
        """An embedded PostgreSQL or Redis. It is asked to stop only when everything that uses it has."""
        child = server.process
        return cls(
            child.name,
            server.start,
            lambda: child.is_running,
            server.answers,
            lambda: None,
            server.stop,
            child.kill,
            child.log_path,
        )

    @classmethod
    def of_node(cls, name: str, node: NodeProcess) -> Service:
        """A development node; its ``start`` returns when it answers."""
        return cls(
            name,
            node.start,
            lambda: node.is_running,
            lambda: _node_answers(node),
            lambda: None,
            node.stop,
            node.kill,
        )


@dataclass
class _Watched:
    service: Service
    started_at: float
    pause_seconds: float = RESTART_PAUSE_SECONDS
    restart_at: float | None = None
    healthy: bool = True


@dataclass
class Supervisor:
    """Starts services in order and stops them in the opposite order. ``say`` gets one line for each change of state."""

    say: Callable[[str], None]
    _watched: list[_Watched] = field(default_factory=list)

    def start(self, *services: Service) -> None:
        """Start services without waiting for them to be ready."""
        for service in services:
            # Before the start: one that fails half-way is stopped with the others.
            self._watched.append(_Watched(service, time.monotonic()))
            service.start()

    def wait_ready(self, *, seconds: float) -> None:
        """Wait until everything started is ready. Raises StartFailed when one ends or is late."""
        deadline = time.monotonic() + seconds
        waiting = [watched.service for watched in self._watched]
        while waiting := [service for service in waiting if not service.is_ready()]:
            for service in waiting:
                if not service.is_running():
                    raise StartFailed(f"{service.name} ended while starting{_log_hint(service)}")
            if time.monotonic() > deadline:
                names = ", ".join(service.name for service in waiting)
                raise StartFailed(f"not ready in {seconds:.0f} s: {names}{_log_hint(waiting[0])}")
            time.sleep(POLL_SECONDS)

    def watch(self, ending: threading.Event | None = None) -> None:
        """Restart what dies, and say so, until ``ending`` is set or an exception (KeyboardInterrupt) comes."""
        ending = ending or threading.Event()
        next_health = time.monotonic() + HEALTH_SECONDS
        while not ending.wait(POLL_SECONDS):
            now = time.monotonic()
            for watched in self._watched:
                self._keep_running(watched, now)
            if now >= next_health:
                self._check_health()
                next_health = time.monotonic() + HEALTH_SECONDS

    def kill(self, name: str) -> None:
        """End one program with SIGKILL, as a crash would; ``watch`` starts it again. Raises KeyError for no such name."""
        {watched.service.name: watched.service for watched in self._watched}[name].kill()

    def stop(self) -> None:
        """Stop everything; what uses others first. Nothing is left when this returns."""
        for watched in self._watched:
            watched.service.ask_to_stop()
        while self._watched:
            self._watched.pop().service.stop()

    def _keep_running(self, watched: _Watched, now: float) -> None:
        service = watched.service
        if service.is_running():
            return
        if watched.restart_at is None:
            if now - watched.started_at > STEADY_SECONDS:
                watched.pause_seconds = RESTART_PAUSE_SECONDS
            watched.restart_at = now + watched.pause_seconds
            self.say(
                f"{service.name} died; starting it again in {watched.pause_seconds:g} s{_log_hint(service)}"
            )
            watched.pause_seconds = min(2 * watched.pause_seconds, RESTART_PAUSE_SECONDS_MAX)
        elif now >= watched.restart_at:
            self._restart(watched)

    def _restart(self, watched: _Watched) -> None:
        watched.started_at, watched.restart_at = time.monotonic(), None
        try:
            # What the dead program left of its process group must not meet its successor.
            watched.service.stop()
            watched.service.start()
        except (StartFailed, NodeStartError, psycopg.Error) as error:
            self.say(f"{watched.service.name} did not start: {error}")

    def _check_health(self) -> None:
        for watched in self._watched:
            healthy = watched.service.is_running() and watched.service.is_ready()
            if healthy != watched.healthy:
                state = "answers again" if healthy else f"does not answer{_log_hint(watched.service)}"
                self.say(f"{watched.service.name} {state}")
                watched.healthy = healthy


def _node_answers(node: NodeProcess) -> bool:
    try:
        node.probe()
    except (httpx.HTTPError, JsonRpcError, ValueError):
        return False
    return True


def _log_hint(service: Service) -> str:
    return "" if service.log_path is None else f" (see {service.log_path})"
