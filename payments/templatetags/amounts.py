"""``{{ amount_tiyn|tenge }}``, ``{{ quote.rate_tenge|rate }}``, ``{{ minor|units:asset }}``."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.translation import get_language

from alatau_pay.money import format_minor
from chains.models import OnChainAsset
from payments import rate_record
from payments.amount_text import rate_text, tenge_text
from payments.models import Quote
from payments.rate_record import RateRecord
from payments.wording import event_sentences, source_names

register = template.Library()


@register.filter
def tenge(amount_tiyn: int) -> str:
    """Tiyn as tenge in the page's language."""
    return tenge_text(amount_tiyn, get_language() or "en")


@register.filter
def rate(rate_tenge: Decimal) -> str:
    """A price in tenge in the page's language."""
    return rate_text(rate_tenge, get_language() or "en")


@register.filter
def rate_record_of(quote: Quote) -> RateRecord:
    """How the quote's price came about: its paths to tenge, those left out, the spread, the official dollar."""
    return rate_record.read(quote.rate_sources)


@register.filter
def source_name(source: str) -> str:
    """A rate source as people know it; one without a name of its own is shown as it is stored."""
    return source_names().get(source, source)


@register.filter
def percent(number: Decimal) -> str:
    """A per cent in the page's language: 0.30 → "0,30 %" (kk, ru), "0.30 %" (en)."""
    text = f"{number:f}" if (get_language() or "en") == "en" else f"{number:f}".replace(".", ",")
    return f"{text}\u00a0%"


@register.filter
def number(amount_minor: int, asset: OnChainAsset) -> str:
    """Smallest units as decimal text of the asset."""
    return format_minor(amount_minor, asset.decimals, trim=True)


@register.filter
def units(amount_minor: int, asset: OnChainAsset) -> str:
    """Smallest units as decimal text of the asset, with its symbol."""
    return f"{number(amount_minor, asset)}\u00a0{asset.symbol}"


@register.filter
def clock(seconds: int) -> str:
    """Seconds as a clock shows them: 899 → "14:59", 86399 → "23:59:59". js/checkout.js counts on in the same form."""
    hours, rest = divmod(seconds, 3600)
    minutes = f"{hours}:{rest // 60:02d}" if hours else str(rest // 60)
    return f"{minutes}:{rest % 60:02d}"


@register.filter
def event_words(kind: str) -> str:
    """What happened to an invoice, in words; an event without words of its own is shown by its name."""
    return str(event_sentences().get(kind, kind))
