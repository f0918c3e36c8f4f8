"""The page behind the link in the letter about a changed bank account; it works without a log-in, and only stops."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from merchants import bank_account_change


@never_cache
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """What was asked for, with a button (GET: a mail program that looks at links stops nothing); stopped (POST)."""
    found = bank_account_change.of_link(token)
    if found is None:
        raise Http404("no link that was mailed")
    change, person = found
    if request.method == "POST":
        if bank_account_change.cancel(change, actor=person, now=timezone.now()):
            messages.success(request, _("The change is cancelled: payouts go to the old account."))
        else:
            messages.error(request, _("There is no change to cancel: it has taken effect or was cancelled."))
        return redirect("account_change_stop", token)
    return render(request, "merchants/account_change_stop.html", {"change": change})
