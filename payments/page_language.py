"""The language of a page that a resident opens without a log-in."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def language_of(request: HttpRequest, *, default: str) -> str:
    """The one asked for by ``?lang=``, else ``default`` (the invoice's), else the installation's."""
    known = [code for code, _ in settings.LANGUAGES]
    asked = request.GET.get("lang", default)
    return next((code for code in (asked, default) if code in known), settings.LANGUAGE_CODE)
