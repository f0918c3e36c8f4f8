"""The figures of the running gateway, for a monitor: Prometheus' text format. Names no merchant, no store and no address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chains import health_report
from chains.health_report import NetworkReport
from chains.node_state import NodeState
from merchants.models import DeliveryStatus, WebhookDelivery
from payments import held, rate_metrics
from payments.rate_metrics import PREFIX
from payments.reconciliation import metrics as reconciliation_metrics
from settlements.models import LedgerVerification, VerificationOutcome

# Figures of a network: name, what it is, how it is read off a report (None: there is nothing to tell).
_NETWORK_FIGURES = (
    ("network_halted", "1 while the network is halted", lambda each: each.network.halted_at is not None),
    ("network_cursor_height", "last block read", lambda each: each.network.cursor_height),
    ("network_lag_blocks", "blocks of the best node not read yet", lambda each: each.lag_blocks),
    (
        "network_head_age_seconds",
        "age of the youngest head, on our clock",
        lambda each: _seconds(each.head_age),
    ),
    ("network_observed_age_seconds", "since all was last read", lambda each: _seconds(each.observed_age)),
    ("transfers_unmatched", "transfers that nobody has matched yet", lambda each: each.unmatched),
    (
        "transfers_unmatched_age_seconds",
        "age of the oldest of them",
        lambda each: _waited(each.unmatched_age),
    ),
    ("transfers_unmined", "transfers that are in no block", lambda each: each.unmined),
    ("transfers_unmined_age_seconds", "age of the oldest of them", lambda each: _waited(each.unmined_age)),
)


class _Figures(Collector):
    """All figures at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """The figures, as prometheus-client asks for them."""
        reports = health_report.report(now=self._now)
        yield from _of_networks(reports)
        yield _of_nodes(reports)
        yield from _of_webhooks(self._now)
        yield from _of_held_money(self._now)
        yield from rate_metrics.collect(now=self._now)
        yield from reconciliation_metrics.collect(now=self._now)
        yield from _of_ledger(self._now)


def text(*, now: datetime) -> bytes:
    """Every figure at ``now``, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(now))
    return generate_latest(registry)


def _of_networks(reports: list[NetworkReport]) -> Iterator[Metric]:
    for name, what, figure_of in _NETWORK_FIGURES:
        family = GaugeMetricFamily(PREFIX + name, what, labels=["network"])
        for each in reports:
            figure = figure_of(each)
            if figure is not None:
                family.add_metric([each.network.slug], figure)
        yield family


def _of_nodes(reports: list[NetworkReport]) -> Metric:
    """1 for the state that a node is in, 0 for the others."""
    family = GaugeMetricFamily(PREFIX + "node_state", "state of a node", labels=["network", "node", "state"])
    for each in reports:
        for node in each.nodes:
            for state in NodeState:
                family.add_metric([each.network.slug, node.name, state.value], node.state is state)
    return family


def _of_webhooks(now: datetime) -> Iterator[Metric]:
    waiting = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING)
    found = waiting.aggregate(count=Count("id"), since=Min("created_at"))
    yield _gauge("webhooks_pending", "webhook deliveries not delivered yet", found["count"])
    yield _gauge("webhooks_pending_age_seconds", "age of the oldest of them", _age(found["since"], now))


def _of_held_money(now: datetime) -> Iterator[Metric]:
    """Money that was received and belongs to no merchant until a person decides."""
    found = held.waiting().order_by().aggregate(count=Count("id"), since=Min("received_at"))
    yield _gauge("held_payments", "payments with money that nobody has decided about", found["count"])
    yield _gauge("held_payments_age_seconds", "age of the oldest of them", _age(found["since"], now))


def _of_ledger(now: datetime) -> Iterator[Metric]:
    """What the nightly proof found. Left out before the first one."""
    made = LedgerVerification.objects.filter(
        outcome__in=[VerificationOutcome.PROVED, VerificationOutcome.DIFFERS]
    )
    last = made.first()
    if last is None:
        return
    yield _gauge("ledger_findings", "findings of the last proof of the ledger", last.finding_count)
    proved = made.filter(outcome=VerificationOutcome.PROVED).first()
    if proved is not None:
        yield _gauge("ledger_proved_age_seconds", "since the ledger was proved", _age(proved.started_at, now))


def _gauge(name: str, what: str, figure: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, what, value=figure)


def _age(since: datetime | None, now: datetime) -> float:
    """Seconds; 0 when nothing waits."""
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else age.total_seconds()


def _waited(age: timedelta | None) -> float:
    """Seconds; 0 when nothing waits."""
    return 0.0 if age is None else age.total_seconds()
