"""The figures of pricing for a monitor: each coin's price, spread and breaker, each source's health."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from payments import rate_alarms, rate_report
from payments.quoting import Assessment
from payments.rate_report import SourceReport

PREFIX = "alatau_pay_"
# Figures of a symbol: name, what it is, how it is read off an assessment (None: there is nothing to tell).
_SYMBOL_FIGURES = (
    ("rate_quoted", "1 while the coin is quoted", lambda each: float(each.tenge is not None)),
    ("rate_tenge", "tenge for one coin", lambda each: each.tenge),
    (
        "rate_spread_tenge",
        "greatest less least of its paths",
        lambda each: each.spread if each.tenge else None,
    ),
    ("rate_paths", "fresh paths that agree", lambda each: len(each.paths)),
    ("rate_paths_left_out", "outliers", lambda each: len(each.left_out)),
)


def collect(*, now: datetime) -> Iterator[Metric]:
    """The figures at ``now``."""
    report = rate_report.report(now=now)
    yield from _of_symbols(report.symbols)
    yield from _of_sources(report.sources, now)
    yield GaugeMetricFamily(
        PREFIX + "rate_alarms", "coins that are not quoted", value=len(rate_alarms.standing())
    )


def _of_symbols(symbols: list[Assessment]) -> Iterator[Metric]:
    for name, what, figure_of in _SYMBOL_FIGURES:
        family = GaugeMetricFamily(PREFIX + name, what, labels=["symbol"])
        for each in symbols:
            figure = figure_of(each)
            if figure is not None:
                family.add_metric([each.symbol], float(figure))
        yield family


def _of_sources(sources: list[SourceReport], now: datetime) -> Iterator[Metric]:
    well = GaugeMetricFamily(PREFIX + "rate_source_answers", "1 while the source answers", labels=["source"])
    age = GaugeMetricFamily(PREFIX + "rate_source_age_seconds", "since it last answered", labels=["source"])
    for each in sources:
        well.add_metric([each.name], float(each.is_well))
        if each.state is not None and each.state.answered_at is not None:
            age.add_metric([each.name], max(0.0, (now - each.state.answered_at).total_seconds()))
    yield well
    yield age
