"""What a monitor asks: is everything well (``/healthz``), and how well in figures (``/metrics``)."""

from __future__ import annotations

import hmac
from datetime import datetime

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chains import health_report
from payments import metrics, rate_report


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when the database and Redis answer, every enabled network was just observed and every coin is quoted.

    Else 503 and what is not well. For anyone: it names networks and coins, what is wrong with each in a word, and nothing else.
    """
    now = timezone.now()
    networks, rates = _networks(now), _rates(now)
    redis_answers = _redis_answers()
    is_well = bool(networks) and not any([*(networks or {}).values(), *rates.values()]) and redis_answers
    answer = {
        "status": "ok" if is_well else "unwell",
        "database": networks is not None,
        "redis": redis_answers,
        "networks": {slug: trouble or "ok" for slug, trouble in (networks or {}).items()},
        "rates": {symbol: trouble or "ok" for symbol, trouble in rates.items()},
    }
    return JsonResponse(answer, status=200 if is_well else 503)


@never_cache
@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """The figures, for whoever has ``settings.METRICS_TOKEN``; for anyone else there is no such page.

    Not for the loopback address as such: behind a proxy on the same host everybody comes from there.
    """
    offered = request.headers.get("Authorization", "").encode()
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not settings.METRICS_TOKEN or not hmac.compare_digest(offered, expected):
        raise Http404
    return HttpResponse(
        metrics.text(now=timezone.now()), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _networks(now: datetime) -> dict[str, str] | None:
    """What is wrong with each enabled network, by slug; None when the database does not answer."""
    try:
        return {each.network.slug: each.trouble for each in health_report.report(now=now)}
    except (DatabaseError, InterfaceError):
        return None


def _rates(now: datetime) -> dict[str, str]:
    """Why each coin is not quoted, by symbol, "" where it is; empty when the database does not answer."""
    try:
        return {each.symbol: each.stop or "" for each in rate_report.symbols(now=now)}
    except (DatabaseError, InterfaceError):
        return {}


def _redis_answers() -> bool:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
