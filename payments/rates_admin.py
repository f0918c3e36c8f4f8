"""The city admin's page of prices: each coin's paths to tenge, each source, the breaker and its alarms."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from payments import rate_report
from payments.models import RateAlarm, RateAlarmKind, RateObservation, RateSourceState
from payments.quoting import Assessment
from payments.rate_paths import Path, Step
from payments.rate_report import SourceReport

ALARMS_SHOWN = 10


@admin.register(RateObservation)
class RateObservationAdmin(ReadOnlyAdmin):
    """What the sources said; ``…/rateobservation/rates/`` is the page that makes sense of it."""

    list_display = (
        "base",
        "quote",
        "price",
        "source",
        "observed_at",
        "fetched_at",
        "rate_date",
        "requested_date",
    )
    list_filter = ("source", "base", "quote")
    search_fields = ("source", "base", "quote")
    change_list_template = "admin/payments/rateobservation/change_list.html"
    # Counting millions of rows for every page of the list tells nobody anything.
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        """The page of rates before the general ones."""
        page = path("rates/", self.admin_site.admin_view(self.rates), name="payments_rates")
        return [page, *super().get_urls()]

    def rates(self, request: HttpRequest) -> HttpResponse:
        """Every symbol with its price or why it has none, and every source with what it said last."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        found = rate_report.report(now=now)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Rates"),
            "opts": self.opts,
            "now": now,
            "symbols": [_symbol(each, now) for each in found.symbols],
            "sources": [_source(each, now) for each in found.sources],
            "alarms": RateAlarm.objects.all()[:ALARMS_SHOWN],
            "limits": _limits(),
        }
        return TemplateResponse(request, "admin/payments/rateobservation/rates.html", context)


@admin.register(RateSourceState)
class RateSourceStateAdmin(ReadOnlyAdmin):
    list_display = ("source", "asked_at", "answered_at", "fault", "fault_since", "ask_again_at")
    search_fields = ("source",)


@admin.register(RateAlarm)
class RateAlarmAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "kind", "raised_at", "cleared_at", "detail")
    list_filter = ("symbol", "kind", ("cleared_at", admin.EmptyFieldListFilter))
    search_fields = ("symbol", "detail")
    date_hierarchy = "raised_at"


def _symbol(each: Assessment, now: datetime) -> dict[str, Any]:
    """A symbol as the page words it. Deviations are from its price, or where there is none not told."""
    return {
        "symbol": each.symbol,
        "tenge": each.tenge,
        "stop": RateAlarmKind(each.stop.value).label if each.stop else "",
        "reason": each.reason,
        "spread": None if each.tenge is None else _percent(each.spread, each.tenge),
        "paths": [_path(one, each.tenge, now, left_out=False) for one in each.paths]
        + [_path(one, each.tenge, now, left_out=True) for one in each.left_out],
        "legs": [_path(one, None, now, left_out=False) for one in each.legs.paths]
        + [_path(one, None, now, left_out=True) for one in each.legs.left_out],
        "taken": each.legs.taken.source if each.legs.taken else "",
        "official": each.official,
    }


def _path(one: Path, price: Decimal | None, now: datetime, *, left_out: bool) -> dict[str, Any]:
    oldest = max(
        (now - step.observation.observed_at for step in one.steps if step.observation.rate_date is None),
        default=None,
    )
    return {
        "source": one.source,
        "tenge": one.tenge,
        "steps": " ".join(_step(step, first=number == 0) for number, step in enumerate(one.steps)),
        "age": _age(oldest),
        "deviation": "" if price is None else _signed_percent(one.tenge, price),
        "left_out": left_out,
    }


def _step(step: Step, *, first: bool) -> str:
    """ "64320 BTC/USD", "÷ 1.002 USDT/USD", "× 520 USDT/KZT (binance)"."""
    seen = step.observation
    sign = "" if first else "÷ " if step.inverted else "× "
    return f"{sign}{seen.price.normalize():f} {seen.base}/{seen.quote} ({seen.source})"


def _source(each: SourceReport, now: datetime) -> dict[str, Any]:
    return {
        "name": each.name,
        "is_well": each.is_well,
        "fault": each.state.fault if each.state else "",
        "answered": _age(now - each.state.answered_at if each.state and each.state.answered_at else None),
        "fault_since": each.state.fault_since if each.state else None,
        "ask_again_at": each.state.ask_again_at if each.state and each.state.fault else None,
        "prices": [
            {
                "pair": f"{row.base}/{row.quote}",
                "price": f"{row.price.normalize():f}",
                "age": "" if row.rate_date else _age(now - row.observed_at),
                "rate_date": row.rate_date,
                "requested_date": row.requested_date,
            }
            for row in each.prices
        ],
    }


def _limits() -> list[tuple[Any, str]]:
    return [
        (_("Paths needed"), str(settings.RATE_PATHS_MIN)),
        (_("Oldest price"), _age(settings.RATE_AGE_MAX)),
        (_("Left out, from the median"), f"{settings.RATE_OUTLIER_MAX * 100:f} %"),
        (_("Breaker: paths apart"), f"{settings.RATE_SPREAD_MAX * 100:f} %"),
        (_("Breaker: USDT from the official dollar"), f"{settings.RATE_OFFICIAL_DEVIATION_MAX * 100:f} %"),
        (_("Oldest official rate, days"), str(settings.RATE_OFFICIAL_DAYS_MAX)),
    ]


def _percent(part: Decimal, whole: Decimal) -> str:
    """Two decimals: "0.30 %"."""
    hundredths = round(Fraction(part) / Fraction(whole) * 10_000)
    return f"{Decimal(f'{hundredths}e-2'):f} %"


def _signed_percent(one: Decimal, price: Decimal) -> str:
    return ("+" if one >= price else "−") + _percent(abs(one - price), price)


def _age(age: timedelta | None) -> str:
    """ "4 s", "12 min", "3 h 5 min"; a dash for nothing."""
    if age is None:
        return "–"
    seconds = max(0, int(age.total_seconds()))
    if seconds < 600:
        return gettext("%(seconds)s s") % {"seconds": seconds}
    if seconds < 3600:
        return gettext("%(minutes)s min") % {"minutes": seconds // 60}
    return gettext("%(hours)s h %(minutes)s min") % {
        "hours": seconds // 3600,
        "minutes": seconds // 60 % 60,
    }
