"""A merchant's account with the operator: what it is owed, movement by movement, and the proof of each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from merchants.roles import store_for
from settlements import balances, days, proofs
from settlements.account_form import PeriodForm, day_before, place_of, text_of
from settlements.balances import Movement, Place
from settlements.business_day import business_date
from settlements.documents.wording import say
from settlements.entries import payable
from settlements.models import JournalEntry
from settlements.operations import kind_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A movement as the merchant reads it: what it adds to what is owed, and what is owed after it, in tiyn."""

    movement: Movement
    label: str
    amount_tiyn: int
    owed_tiyn: int
    is_sealed: bool


@login_required
@never_cache
@require_GET
def account(request: HttpRequest, store_id: str) -> HttpResponse:
    """What the merchant was owed when a period began and ended, and every movement between, page by page."""
    store = store_for(request.user, store_id, "view_finance")
    form = PeriodForm(request.GET, today=business_date(timezone.now()))
    first, last = form.period
    place = place_of(request.GET.get("before", ""))
    owed = payable(store.merchant_id)
    page = balances.statement_page(owed, first=first, last=last, before=place)
    # The newest movement says what is owed at the end: asked for by itself, a sale of this moment would be in it and in no row.
    is_newest = place is None and bool(page.movements)
    closing_minor = page.movements[0].balance_minor if is_newest else balances.at_close(owed, last)
    context = {
        "store": store,
        "nav": "account",
        "form": form,
        "first": first,
        "last": last,
        "opening_tiyn": -balances.at_close(owed, day_before(first)),
        "closing_tiyn": -closing_minor,
        "rows": _rows(page.movements),
        "newest_url": _url(first, last, None) if place else "",
        "older_url": _url(first, last, page.older) if page.older else "",
    }
    return render(request, "settlements/account.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_GET
def proof(request: HttpRequest, store_id: str, entry_id: int) -> HttpResponse:
    """The inclusion proof of an entry of the merchant's own, as a file; or a page that says why there is none. Else 404."""
    store = store_for(request.user, store_id, "view_finance")
    own = JournalEntry.objects.filter(postings__account__merchant=store.merchant).distinct()
    entry = get_object_or_404(own, pk=entry_id)
    try:
        made = proofs.proof_of(entry, store.merchant)
    except proofs.NotSealed:
        return render(request, "settlements/proof_later.html", {"store": store, "nav": "account"}, status=409)
    except proofs.NotTheirs:
        # A correction between two merchants: the proof would show the other one.
        return render(request, "settlements/proof_none.html", {"store": store, "nav": "account"}, status=409)
    except proofs.NotAsSealed:
        # A mistake of ours, and no small one: monitors see it by its number.
        logger.error("an entry is not as it was sealed", extra={"entry": entry.pk})
        return render(request, "settlements/proof_bent.html", {"store": store, "nav": "account"}, status=500)
    name = f"proof-{entry.business_date.isoformat()}-{entry.pk}.json"
    return JsonResponse(
        made,
        json_dumps_params={"ensure_ascii": False, "indent": 1},
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _rows(movements: tuple[Movement, ...]) -> list[Row]:
    sealed = days.sealed_through()
    language = get_language() or "en"
    return [
        Row(
            movement=movement,
            label=say(kind_of(movement.recipe), language),
            amount_tiyn=-movement.amount_minor,
            owed_tiyn=-movement.balance_minor,
            is_sealed=sealed is not None and movement.business_date <= sealed,
        )
        for movement in movements
    ]


def _url(first: date, last: date, before: Place | None) -> str:
    query = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    return "?" + urlencode(query | ({"before": text_of(before)} if before else {}))
