"""What the checkout page and the till's invoice page are filled with: the same facts, laid out by one template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from payments.presentation import Offer, Presentation
from payments.wording import phase_words, say


@dataclass(frozen=True, slots=True)
class Tab:
    """One asset's tab: what to pay, where, and the picture that says so."""

    offer: Offer
    qr_url: str
    selected: bool


def page_context(shown: Presentation, *, asset_code: str) -> dict[str, Any]:
    """The template's context. ``asset_code`` names the tab that is open at first; an unknown one opens the first tab."""
    invoice, phase = shown.invoice, page_phase(shown)
    slowest = shown.slowest
    confirmations, required = (slowest.confirmations, slowest.required) if slowest else (0, 0)
    return {
        "invoice": invoice,
        "store": None,
        "shop": invoice.store,
        "shown": shown,
        "phase": phase,
        "words": say(phase, confirmations=confirmations, required=required),
        "words_by_phase": phase_words() | {"copied": _("Copied")},
        "confirmations": confirmations,
        "required": required,
        "onward_url": _onward_url(invoice.redirect_url),
        "tabs": _tabs(shown, asset_code),
        "status_url": reverse("checkout_status", args=[invoice.pk]),
        "live_url": f"{settings.LIVE_URL}/live/i/{invoice.pk}",
        # A page for a passer-by: no log-in state, no messages meant for the dashboard.
        "messages": [],
    }


def page_phase(shown: Presentation) -> str:
    """The phase as a page words it: an invoice that waits although its time is over is "closing"."""
    return "closing" if shown.phase in {"awaiting", "partial"} and not shown.open else shown.phase


def qr_url(offer: Offer) -> str:
    """The address of the offer's QR picture. It carries the amount, so what it shows never changes."""
    path = reverse("checkout_qr", args=[offer.quote.invoice_id, offer.quote.pk])
    return f"{path}?due={offer.due_minor}"


def _onward_url(redirect_url: str) -> str:
    # Only what a browser opens as a page: never a script in a link.
    return redirect_url if redirect_url.startswith(("https://", "http://")) else ""


def _tabs(shown: Presentation, asset_code: str) -> list[Tab]:
    if not shown.open:
        return []
    codes = [offer.asset.code for offer in shown.offers]
    selected = asset_code if asset_code in codes else codes[0]
    return [Tab(offer, qr_url(offer), offer.asset.code == selected) for offer in shown.offers]
