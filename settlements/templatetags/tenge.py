"""``{{ amount_tiyn|tenge }}`` on the finance pages: always with tiyn, so that figures in columns compare at a glance."""

from __future__ import annotations

from django import template
from django.utils.translation import get_language

from settlements.documents import figures

register = template.Library()


@register.filter
def tenge(amount_tiyn: int) -> str:
    """Tiyn as tenge in the page's language: "12 500,50 ₸"."""
    return figures.tenge(amount_tiyn, get_language() or "en")
