"""The form behind the till and the dashboard's "new invoice": an amount in tenge as people type it, made into an invoice once."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alatau_pay.identifiers import new_public_id
from alatau_pay.money import format_minor, parse_minor
from compliance.admission import NotAdmitted
from merchants.models import Store, User
from payments import invoices
from payments.invoice_request import (
    AMOUNT_TIYN_MAX,
    EXPIRATION_MINUTES_MAX,
    TIYN_DECIMALS,
    RequestRefused,
    parse_request,
)
from payments.models import Invoice
from payments.quoting import RateUnavailable
from payments.terms import MethodRefused

# Spaces between thousands, comma or point before the tiyn. "12,500" is refused: it means two things to two people.
_AMOUNT = re.compile(r"^(?:\d{1,12}|\d{1,3}(?: \d{3}){1,3})(?:[.,]\d{1,2})?$", re.ASCII)


def parse_typed_amount(text: str) -> int:
    """Tiyn of an amount in tenge as typed at a till: "12 500", "12500,50", "0.50".

    Raises:
        forms.ValidationError: with a sentence for the person at the till.
    """
    spaced = " ".join(text.replace("₸", " ").split())
    if not _AMOUNT.match(spaced):
        raise forms.ValidationError(_("Enter an amount in tenge, such as 12500 or 12500,50."))
    amount_tiyn = parse_minor(spaced.replace(" ", "").replace(",", "."), TIYN_DECIMALS)
    if amount_tiyn == 0:
        raise forms.ValidationError(_("The amount must be more than zero."))
    if amount_tiyn > AMOUNT_TIYN_MAX:
        raise forms.ValidationError(_("The amount is too large."))
    return amount_tiyn


class SaleForm(forms.Form):
    """What a cashier types. ``key`` was drawn when the form was shown: a double tap sends it twice and makes one invoice."""

    amount = forms.CharField(label=gettext_lazy("Amount, ₸"), max_length=24)
    description = forms.CharField(label=gettext_lazy("Note for the buyer"), max_length=300, required=False)
    order_id = forms.CharField(label=gettext_lazy("Order number"), max_length=120, required=False)
    key = forms.RegexField(r"^[A-Za-z0-9]{1,32}$", widget=forms.HiddenInput, initial=new_public_id)

    def clean_amount(self) -> int:
        """Tiyn."""
        return parse_typed_amount(self.cleaned_data["amount"])

    def request_data(self) -> dict[str, Any]:
        """The cleaned form as the request that the API would have sent."""
        cleaned = self.cleaned_data
        metadata = {"orderId": cleaned["order_id"], "itemDesc": cleaned["description"]}
        return {
            "amount": format_minor(cleaned["amount"], TIYN_DECIMALS),
            "currency": "KZT",
            "metadata": {name: text for name, text in metadata.items() if text},
            "checkout": {"expirationMinutes": cleaned.get("minutes")},
        }

    def draw_new_key(self) -> None:
        """Give the form that is shown again a key of its own."""
        self.data = {**{name: self.data.get(name) for name in self.data}, "key": new_public_id()}


class InvoiceForm(SaleForm):
    """The dashboard's form: also how long the invoice may be paid."""

    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes to pay"), min_value=1, max_value=EXPIRATION_MINUTES_MAX, required=False
    )


def make_invoice(form: SaleForm, *, store: Store, source: str, user: User, now: datetime) -> Invoice | None:
    """The invoice that the valid ``form`` asks for, or None with the reason among the form's errors. Nothing is half made."""
    key = f"{source}:{form.cleaned_data['key']}"
    try:
        request = parse_request(form.request_data())
        return invoices.create(request, store=store, source=source, idempotency_key=key, user=user, now=now)
    except RequestRefused as error:
        for _path, message in error.errors:
            form.add_error(None, message)
    except RateUnavailable:
        form.add_error(
            None, _("There is no reliable exchange rate at the moment. Please try again in a minute.")
        )
    except NotAdmitted:
        form.add_error(None, _("The city admits no asset for a payment of this amount."))
    except MethodRefused:
        form.add_error(None, _("None of the store's assets can be paid with at the moment."))
    except invoices.StoreNotTrading:
        form.add_error(
            None, _("This store makes no invoices: it is archived, or the city has not approved its owner.")
        )
    except invoices.IdempotencyConflict:
        form.draw_new_key()
        form.add_error(
            None,
            _("This form has already made an invoice for another amount. Send it again to make a new one."),
        )
    return None
