"""How a quote's price came about, as it is kept with the quote (``Quote.rate_sources``) and read again. Pure.

Version 2, a JSON object; decimals are texts, instants ISO 8601 with an offset, days ISO 8601::

    {"version": 2, "symbol": "BTC", "tenge": "33281000.5", "spread_tenge": "9000",
     "paths": [{"source": "kraken", "tenge": "33281000.5", "left_out": false,
                "steps": [{"source": "kraken", "pair": "BTC/USD", "price": "64010.1", "observed_at": "…", "inverted": false},
                          {"source": "kraken", "pair": "USDT/USD", "price": "1.0002", "observed_at": "…", "inverted": true},
                          {"source": "binance", "pair": "USDT/KZT", "price": "519.9", "observed_at": "…", "inverted": false}]}],
     "tenge_legs": [{"source": "binance", "tenge": "519.9", "taken": true}, {"source": "national-bank", …, "taken": false}],
     "official": {"source": "national-bank", "pair": "USD/KZT", "price": "518.25", "date": "2026-11-24",
                  "requested_date": "2026-11-24"}}

``tenge`` of the object is the median of the paths that were not left out, ``spread_tenge`` their greatest less their least.
``official`` is null where no official source is set up. Version 1, which quotes of before have, is a list of ``{"source", "pair",
"price", "observed_at"}``: the steps of its only path, and the official dollar. Rows are never rewritten, so both are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from payments.quoting import Assessment
from payments.rate_paths import ALMATY, DOLLAR, TENGE, Observation, Path, Step, product

VERSION = 2


@dataclass(frozen=True, slots=True)
class RecordedPath:
    """One path to tenge: by whom, what it came to for one unit, over which steps, and whether it was an outlier."""

    source: str
    tenge: Decimal
    steps: tuple[Step, ...]
    left_out: bool

    @property
    def observed_at(self) -> datetime:
        """When the oldest of its prices held, the official rate's aside: that one holds for its day."""
        market = [step.observation.observed_at for step in self.steps if step.observation.rate_date is None]
        return min(market or [step.observation.observed_at for step in self.steps])


@dataclass(frozen=True, slots=True)
class RateRecord:
    """A price and all that it was made from. ``official`` is the dollar in tenge, official for the day, where one was known."""

    symbol: str
    tenge: Decimal
    spread_tenge: Decimal
    paths: tuple[RecordedPath, ...]
    official: Observation | None

    @property
    def kept(self) -> tuple[RecordedPath, ...]:
        """The paths that the price is the median of."""
        return tuple(path for path in self.paths if not path.left_out)

    @property
    def left_out(self) -> tuple[RecordedPath, ...]:
        """The outliers."""
        return tuple(path for path in self.paths if path.left_out)

    @property
    def spread_percent(self) -> Decimal:
        """The spread in per cent of the price, with two decimals."""
        hundredths = round(Fraction(self.spread_tenge) / Fraction(self.tenge) * 10_000)
        return Decimal(f"{hundredths}e-2")

    @property
    def summary(self) -> str:
        """One line for a register, the same in every language; times of day are Almaty's.

        "binance 33281000 17:00:05, kraken 33290000 17:00:05; - coinbase 29000000 17:00:03; spread 0.03 %; national-bank 518.25
        2026-11-24": a minus is before what was left out.
        """
        parts = [", ".join(_told(path) for path in self.kept)]
        parts += [f"- {_told(path)}" for path in self.left_out]
        parts += [f"spread {self.spread_percent} %"] if len(self.kept) > 1 else []
        if self.official is not None:
            parts += [f"{self.official.source} {_text(self.official.price)} {self.official.rate_date}"]
        return "; ".join(parts)


def write(assessment: Assessment) -> dict[str, Any]:
    """The record of an assessment that came to a price, in the shape above."""
    assert assessment.tenge is not None  # a symbol that the breaker stopped is never quoted
    paths = [*((path, False) for path in assessment.paths), *((path, True) for path in assessment.left_out)]
    return {
        "version": VERSION,
        "symbol": assessment.symbol,
        "tenge": _text(assessment.tenge),
        "spread_tenge": _text(assessment.spread),
        "paths": [_path_json(path, left_out=left_out) for path, left_out in paths],
        "tenge_legs": [
            {"source": leg.source, "tenge": _text(leg.tenge), "taken": leg == assessment.legs.taken}
            for leg in assessment.legs.paths + assessment.legs.left_out
        ],
        "official": _official_json(assessment.official),
    }


def read(document: Any) -> RateRecord:
    """The record in ``document``, of either version.

    Raises:
        ValueError: it is neither.
    """
    try:
        return _read_first(document) if isinstance(document, list) else _read_second(document)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ValueError("not a record of a price") from error


def _path_json(path: Path, *, left_out: bool) -> dict[str, Any]:
    return {
        "source": path.source,
        "tenge": _text(path.tenge),
        "left_out": left_out,
        "steps": [
            {
                "source": step.observation.source,
                "pair": f"{step.observation.base}/{step.observation.quote}",
                "price": _text(step.observation.price),
                "observed_at": step.observation.observed_at.isoformat(),
                "inverted": step.inverted,
                **_days(step.observation),
            }
            for step in path.steps
        ],
    }


def _official_json(official: Observation | None) -> dict[str, Any] | None:
    if official is None:
        return None
    pair = f"{official.base}/{official.quote}"
    return {"source": official.source, "pair": pair, "price": _text(official.price), **_days(official)}


def _days(observation: Observation) -> dict[str, str]:
    if observation.rate_date is None or observation.requested_date is None:
        return {}
    return {
        "date": observation.rate_date.isoformat(),
        "requested_date": observation.requested_date.isoformat(),
    }


def _read_second(document: dict[str, Any]) -> RateRecord:
    if document["version"] != VERSION:
        raise ValueError(f"a record of a price of version {document['version']}")
    official = document["official"]
    return RateRecord(
        symbol=document["symbol"],
        tenge=Decimal(document["tenge"]),
        spread_tenge=Decimal(document["spread_tenge"]),
        paths=tuple(
            RecordedPath(
                source=path["source"],
                tenge=Decimal(path["tenge"]),
                steps=tuple(Step(_observation(step), step["inverted"]) for step in path["steps"]),
                left_out=path["left_out"],
            )
            for path in document["paths"]
        ),
        official=None if official is None else _official(official),
    )


def _read_first(rows: list[dict[str, Any]]) -> RateRecord:
    steps = [Step(_observation(row)) for row in rows if row["pair"] != f"{DOLLAR}/{TENGE}"]
    official = next((row for row in rows if row["pair"] == f"{DOLLAR}/{TENGE}"), None)
    tenge = product(steps)
    path = RecordedPath(steps[0].observation.source if steps else "", tenge, tuple(steps), left_out=False)
    symbol = steps[0].observation.base if steps else ""
    return RateRecord(symbol, tenge, Decimal(0), (path,), None if official is None else _official(official))


def _observation(row: dict[str, Any]) -> Observation:
    base, _, quote = row["pair"].partition("/")
    return Observation(
        source=row["source"],
        base=base,
        quote=quote,
        price=Decimal(row["price"]),
        observed_at=datetime.fromisoformat(row["observed_at"]),
        rate_date=date.fromisoformat(row["date"]) if "date" in row else None,
        requested_date=date.fromisoformat(row["requested_date"]) if "requested_date" in row else None,
    )


def _official(row: dict[str, Any]) -> Observation:
    """An official rate; of version 1 its day is the day of the instant from which it held, in Almaty."""
    if "date" not in row:
        day = datetime.fromisoformat(row["observed_at"]).astimezone(ALMATY).date().isoformat()
        row = {**row, "date": day, "requested_date": day}
    # From midnight in Almaty of its day on.
    since = datetime.fromisoformat(row["date"]).replace(tzinfo=ALMATY).isoformat()
    return _observation({**row, "observed_at": since})


def _told(path: RecordedPath) -> str:
    """To the tiyn; under one tenge in full."""
    tenge = round(path.tenge, 2) if path.tenge >= 1 else path.tenge
    return f"{path.source} {_text(tenge)} {path.observed_at.astimezone(ALMATY):%H:%M:%S}"


def _text(number: Decimal) -> str:
    """Decimal text without exponent and surplus zeros."""
    return f"{number.normalize():f}"
