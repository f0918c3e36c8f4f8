"""How the networks are doing, in figures: what the health page, /metrics and /healthz show. Reads the database, asks no node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min

from chains import health
from chains.models import Network, NodeHealth, Transfer, TransferState
from chains.node_state import NodeState

# A watcher looks several times a second; silent for this long means that it or its node is not there.
OBSERVATION_AGE_MAX = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node. ``head_age`` is on our clock, at its last answer; None: it never answered. ``asked_age`` until now."""

    name: str
    state: NodeState
    height: int | None
    head_age: timedelta | None
    head_time: datetime | None
    asked_age: timedelta
    fault: str


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """One network. Ages are until now; None where nothing of the kind happened yet or nothing waits.

    ``lag_blocks`` is how many blocks of the best node that is not down have not been read. ``head_age`` is the age of the
    youngest head. ``unmatched`` counts transfers that whoever matches them has not looked at, ``unmined`` those in no block.
    """

    network: Network
    observed_age: timedelta | None
    best_height: int | None
    lag_blocks: int | None
    head_age: timedelta | None
    nodes: tuple[NodeReport, ...]
    unmatched: int
    unmatched_age: timedelta | None
    unmined: int
    unmined_age: timedelta | None

    @property
    def trouble(self) -> str:
        """What is wrong, in a word that programs read: "halted", "not read yet", "not observed", or "" when nothing is."""
        if self.network.halted_at is not None:
            return "halted"
        if self.observed_age is None:
            return "not read yet"
        return "not observed" if self.observed_age > OBSERVATION_AGE_MAX else ""


def report(*, now: datetime) -> list[NetworkReport]:
    """The enabled networks, by slug."""
    return [_report(network, now) for network in Network.objects.filter(enabled=True)]


def _report(network: Network, now: datetime) -> NetworkReport:
    nodes = _nodes(network, now)
    answering = [node for node in nodes if node.state is not NodeState.DOWN]
    best_height = max((node.height for node in answering if node.height is not None), default=None)
    unmatched, unmatched_since = _waiting(network, pending_match=True)
    unmined, unmined_since = _waiting(network, state=TransferState.SEEN)
    return NetworkReport(
        network=network,
        observed_age=_age(network.observed_at, now),
        best_height=best_height,
        lag_blocks=_lag(network, best_height),
        head_age=min((node.head_age for node in answering if node.head_age is not None), default=None),
        nodes=tuple(nodes),
        unmatched=unmatched,
        unmatched_age=_age(unmatched_since, now),
        unmined=unmined,
        unmined_age=_age(unmined_since, now),
    )


def _nodes(network: Network, now: datetime) -> list[NodeReport]:
    doubts = health.doubts(network)
    rows = NodeHealth.objects.filter(network=network).order_by("priority")
    return [
        NodeReport(
            name=row.name,
            state=doubts[row.name].state if row.name in doubts else NodeState.FOLLOWING,
            height=row.head_height,
            head_age=health.facts(row).head_age if row.answered_at else None,
            head_time=row.head_time,
            asked_age=now - row.asked_at,
            fault=row.fault,
        )
        for row in rows
    ]


def _waiting(network: Network, **what: object) -> tuple[int, datetime | None]:
    found = Transfer.objects.filter(network=network, **what).aggregate(
        count=Count("id"), since=Min("seen_at")
    )
    return found["count"], found["since"]


def _lag(network: Network, best_height: int | None) -> int | None:
    if best_height is None or network.cursor_height is None:
        return None
    return max(0, best_height - network.cursor_height)


def _age(at: datetime | None, now: datetime) -> timedelta | None:
    return None if at is None else max(timedelta(0), now - at)
