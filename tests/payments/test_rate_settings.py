"""The settings of rates fail at the start, by name; and a production with one source's word as the price is warned of."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from alatau_pay.rates_text import parse_percent
from payments import checks
from tests.payments import rate_servers

FIXED = "payments.rates.fixed.Fixed"


@pytest.mark.parametrize(
    ("text", "fraction"), [("5", "0.05"), ("2.5", "0.025"), ("0.01", "0.0001"), ("99", "0.99")]
)
def test_per_cents_are_fractions(text, fraction):
    assert parse_percent("X", text) == Decimal(fraction)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "100", "NaN", "Infinity"])
def test_a_limit_that_is_none_is_named(text):
    with pytest.raises(ImproperlyConfigured, match="RATE_SPREAD_PERCENT_MAX"):
        parse_percent("RATE_SPREAD_PERCENT_MAX", text)


@pytest.mark.parametrize(
    ("sources", "paths_min", "found"),
    [
        (rate_servers.ALL, 2, []),
        (rate_servers.ALL, 4, []),
        (rate_servers.ALL, 5, ["payments.E003"]),
        (rate_servers.ALL, 0, ["payments.E002", "payments.W002"]),
        (rate_servers.ALL, 1, ["payments.W002"]),
        ([FIXED], 1, ["payments.W001"]),
        ([FIXED], 2, ["payments.E003", "payments.W001"]),
        (["payments.rates.fixed.Fixt"], 2, ["payments.E001"]),
        (["nowhere"], 2, ["payments.E001"]),
    ],
)
def test_what_the_checks_say(settings, sources, paths_min, found):
    settings.RATE_SOURCES, settings.RATE_PATHS_MIN = sources, paths_min
    said = [*checks.rate_sources(None), *checks.rate_paths(None)]
    assert [message.id for message in said] == found
