"""What a Bitcoin node announces over ZeroMQ: transactions entering its mempool, members leaving it.

Announcements only bring things forward. Every one is checked against the node by RPC before it counts, and the mempool is
compared as a whole every few seconds, so one that is lost, forged or never sent costs at most those seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import zmq
from zmq.utils.monitor import recv_monitor_message

# rawtx: a whole transaction. sequence: hash, one letter (A and R: entered and left the mempool), the mempool's own number.
_TOPICS = (b"rawtx", b"sequence")
_LEFT = b"R"
_HASH_LENGTH = 32
# After a connection a subscription takes a moment to reach the node, and what it says before is lost.
_SETTLING_SECONDS = 1.0
_QUEUE_MAX = 20_000
_HEARTBEAT_MS = 2_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What came since the last look. ``left`` are txids, big-endian hex."""

    transactions: list[bytes] = field(default_factory=list)
    left: set[str] = field(default_factory=set)


class Announcements:
    """A subscription to one node's ZeroMQ address. Used by one thread at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set_hwm(_QUEUE_MAX)
        # A node that vanished without a word is noticed by the missing heartbeat, and connected to again.
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        for topic in _TOPICS:
            self._socket.subscribe(topic)
        self._socket.connect(address)
        self._connected_at: float | None = None
        self._numbers: dict[bytes, int] = {}
        self._has_gap = True

    def close(self) -> None:
        """End the subscription."""
        self._socket.disable_monitor()
        self._context.destroy(linger=0)

    def wait(self, seconds: float) -> bool:
        """Wait for an announcement, at most so long. Returns whether there is one."""
        return bool(self._socket.poll(max(0, round(seconds * 1000))))

    def drain(self) -> Heard:
        """Everything announced since the last call."""
        self._follow_connection()
        heard = Heard()
        while self._socket.poll(0):
            topic, body, *rest = self._socket.recv_multipart()
            self._count(topic, rest)
            if topic == b"rawtx":
                heard.transactions.append(body)
            elif body[_HASH_LENGTH : _HASH_LENGTH + 1] == _LEFT:
                heard.left.add(body[:_HASH_LENGTH].hex())
        return heard

    @property
    def is_unbroken(self) -> bool:
        """Whether nothing that the node announced since ``start_over`` can have been lost, as far as can be told."""
        settled = self._connected_at is not None and time.monotonic() - self._connected_at > _SETTLING_SECONDS
        return settled and not self._has_gap

    def start_over(self) -> None:
        """The whole mempool was listed after everything drained so far: what was lost before does not matter now."""
        self._has_gap = False

    def _count(self, topic: bytes, rest: Sequence[bytes]) -> None:
        """Each topic's messages carry consecutive numbers; one that is left out was lost."""
        number = int.from_bytes(b"".join(rest[:1]), "little")
        expected = self._numbers.get(topic)
        if expected is not None and number != expected:
            self._has_gap = True
        self._numbers[topic] = (number + 1) & 0xFFFFFFFF

    def _follow_connection(self) -> None:
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected_at = time.monotonic()
            elif event == zmq.EVENT_DISCONNECTED:
                self._connected_at = None
            self._has_gap = True
            self._numbers.clear()
