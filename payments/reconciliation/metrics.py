"""What a monitor is told of reconciliation: how much differs, for how long, and when everything was last compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Max, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from payments.models import Difference, ReconciliationRun, RunStatus
from payments.rate_metrics import PREFIX


def collect(*, now: datetime) -> Iterator[Metric]:
    """The figures at ``now``. The age of the last run is left out before the first."""
    found = Difference.objects.filter(resolved_at__isnull=True).aggregate(
        count=Count("id"), since=Min("first_seen_at")
    )
    yield _gauge("reconciliation_differences", "differences that nothing has resolved", found["count"])
    age = (now - found["since"]).total_seconds() if found["since"] else 0.0
    yield _gauge("reconciliation_differences_age_seconds", "age of the oldest of them", age)
    finished = ReconciliationRun.objects.filter(status=RunStatus.FINISHED).aggregate(at=Max("started_at"))[
        "at"
    ]
    if finished is not None:
        seconds = (now - finished).total_seconds()
        yield _gauge("reconciliation_run_age_seconds", "since the last finished run", seconds)


def _gauge(name: str, what: str, figure: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, what, value=figure)
