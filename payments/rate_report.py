"""How pricing is doing: what the city's page, /metrics and /healthz show. Reads the database, asks no source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from payments import observations, rate_alarms
from payments.models import RateObservation, RateSourceState
from payments.quoting import Assessment

# A source that has said nothing for longer is shown without prices.
SHOWN_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source. ``prices`` is what it said last of each pair; ``state`` is None while it was never asked."""

    name: str
    state: RateSourceState | None
    prices: list[RateObservation]

    @property
    def is_well(self) -> bool:
        """Whether it answered when it was last asked."""
        return self.state is not None and not self.state.fault


@dataclass(frozen=True, slots=True)
class RateReport:
    """Every symbol that could be quoted, and every source that is set up."""

    symbols: list[Assessment]
    sources: list[SourceReport]


def report(*, now: datetime) -> RateReport:
    """Prices, paths and sources at ``now``."""
    return RateReport(symbols=symbols(now=now), sources=_sources(now))


def symbols(*, now: datetime) -> list[Assessment]:
    """Every symbol that an invoice could be quoted in, by name."""
    return observations.assessments(rate_alarms.symbols(), now=now)


def _sources(now: datetime) -> list[SourceReport]:
    states = {state.source: state for state in RateSourceState.objects.all()}
    said = observations.said_since(now - SHOWN_FOR, now=now)
    return [
        SourceReport(name, states.get(name), [row for row in said if row.source == name])
        for name in (source.name for source in observations.sources())
    ]
