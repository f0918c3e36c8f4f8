"""``{{ amount_tiyn|tenge }}``, ``{{ quote.rate_tenge|rate }}``, ``{{ minor|units:asset }}``."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.translation import get_language

from alatau_pay.money import format_minor
from chains.models import OnChainAsset
from payments.amount_text import rate_text, tenge_text
from payments.wording import event_sentences

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
def units(amount_minor: int, asset: OnChainAsset) -> str:
    """Smallest units as decimal text of the asset, with its symbol."""
    return f"{format_minor(amount_minor, asset.decimals, trim=True)}\u00a0{asset.symbol}"


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
