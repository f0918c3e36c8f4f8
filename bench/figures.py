"""A figure as a program prints it: what was measured, beside its rival of the same run and what was demanded."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``ratio`` is value over rival value; ``met`` says whether the demand holds."""

    figure: str
    value: float
    unit: str
    demand: str
    met: bool
    rival: str | None = None
    rival_value: float | None = None
    ratio: float | None = None

    def print(self) -> None:
        """One JSON line on standard output."""
        print(json.dumps(asdict(self), ensure_ascii=False), flush=True)


def at_most(figure: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that must not exceed ``limit``, without a rival."""
    return Figure(figure, round(value, 4), unit, f"at most {limit:g} {unit}", value <= limit)


def against(
    figure: str, value: float, unit: str, *, rival: str, rival_value: float, times_less: float
) -> Figure:
    """A figure that must be ``times_less`` times less than its rival's, measured in turns with it."""
    ratio = value / rival_value
    return Figure(
        figure,
        round(value, 6),
        unit,
        f"{times_less:g} times less than {rival}",
        ratio <= 1 / times_less,
        rival,
        round(rival_value, 6),
        round(ratio, 6),
    )


def within(figure: str, value: float, unit: str, *, rival: str, rival_value: float, times: float) -> Figure:
    """A figure that may be at most ``times`` times its rival's, measured in turns with it."""
    ratio = value / rival_value
    return Figure(
        figure,
        round(value, 6),
        unit,
        f"at most {times:g} times {rival}",
        ratio <= times,
        rival,
        round(rival_value, 6),
        round(ratio, 4),
    )


def times_more(
    figure: str, values: list[float], unit: str, *, rival: str, rival_values: list[float], times: float
) -> Figure:
    """A figure that must be at least ``times`` times its rival's. Both were measured once a round: medians are shown, and the
    ratio is the median of the rounds' ratios, so that a slow round weighs on both."""
    ratio = statistics.median(
        value / rival_value for value, rival_value in zip(values, rival_values, strict=True)
    )
    return Figure(
        figure,
        round(statistics.median(values), 4),
        unit,
        f"at least {times:g} times {rival}",
        ratio >= times,
        rival,
        round(statistics.median(rival_values), 4),
        round(ratio, 4),
    )


def at_least(figure: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that must not fall below ``limit``, without a rival."""
    return Figure(figure, round(value, 4), unit, f"at least {limit:g} {unit}", value >= limit)


def noted(figure: str, value: float, unit: str) -> Figure:
    """A figure that nothing is demanded of."""
    return Figure(figure, round(value, 4), unit, "none", True)
