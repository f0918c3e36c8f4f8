"""What ``manage.py check`` says about the settings of rates: a price by one source's word alone is no price in production."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

SET_BY_HAND = "payments.rates.fixed.Fixed"


@register(Tags.compatibility)
def rate_sources(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """The sources can be loaded, and there are enough of them for a price to be possible."""
    try:
        sources = [import_string(path)() for path in settings.RATE_SOURCES]
    except (ImportError, TypeError) as error:
        return [Error(f"RATE_SOURCES: {error}", id="payments.E001")]
    if settings.RATE_PATHS_MIN < 1:
        return [Error("RATE_PATHS_MIN: a price needs at least one path", id="payments.E002")]
    markets = [source for source in sources if not source.official]
    if len(markets) < settings.RATE_PATHS_MIN:
        reason = f"{len(markets)} sources of prices, but RATE_PATHS_MIN is {settings.RATE_PATHS_MIN}: nothing is ever quoted"
        return [Error(f"RATE_SOURCES: {reason}", id="payments.E003")]
    return []


@register(Tags.security, deploy=True)
def rate_paths(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """In production no single source makes a price, and none is set by hand."""
    if SET_BY_HAND in settings.RATE_SOURCES:
        return [Warning("RATE_SOURCES: prices set by hand are for development", id="payments.W001")]
    if settings.RATE_PATHS_MIN < 2:
        return [
            Warning(
                "RATE_PATHS_MIN: with one path enough, a single source's word is the price",
                id="payments.W002",
            )
        ]
    return []
