"""What is typed about refunds: the store's start of one, and the resident's address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alatau_pay.identifiers import is_public_id, new_public_id
from alatau_pay.money import AmountError, parse_minor
from merchants.models import User
from payments import refundable, refunds
from payments.models import Payment, Refund, RefundBasis, RefundStatus
from payments.quoting import RateUnavailable
from payments.refund_wording import refusal
from payments.sale_form import parse_typed_amount

REASON_LENGTH_MAX = 300
ADDRESS_LENGTH_MAX = 100


def _named_by_us(value: str) -> None:
    if not is_public_id(value):
        raise forms.ValidationError(_("Enter a valid value."))


class StartForm(forms.Form):
    """A refund of one of an invoice's payments. The amount is tenge, or the coin's own where the basis says so.

    ``once`` names the page that was sent: sent twice (a second click, a reload), it starts one refund.
    """

    once = forms.CharField(required=False, widget=forms.HiddenInput, validators=[_named_by_us])
    payment = forms.ChoiceField(label=gettext_lazy("Payment"), widget=forms.RadioSelect)
    basis = forms.ChoiceField(label=gettext_lazy("How much"), widget=forms.RadioSelect)
    amount = forms.CharField(label=gettext_lazy("Amount"), max_length=60, required=False)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=REASON_LENGTH_MAX)

    def __init__(self, data: Any, *, payments: Sequence[Payment]) -> None:
        super().__init__(data)
        self.payments = {str(payment.pk): payment for payment in payments}
        self.fields["payment"].choices = [(key, key) for key in self.payments]  # type: ignore[attr-defined]
        if payments:
            self.fields["payment"].initial = str(payments[0].pk)
        self.fields["basis"].choices = RefundBasis.choices  # type: ignore[attr-defined]
        self.fields["basis"].initial = RefundBasis.THEN
        self.fields["once"].initial = new_public_id()

    def rename(self) -> None:
        """Be another page from now on."""
        self.data = {name: self.data[name] for name in self.data} | {"once": new_public_id()}

    def clean(self) -> dict[str, Any]:
        """The amount in the unit that the basis names; none where it gives back all that is left."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        payment, basis = self.payments.get(cleaned.get("payment", "")), cleaned.get("basis")
        text = cleaned.get("amount", "").strip()
        cleaned["value_tiyn"], cleaned["amount_minor"] = None, None
        if payment is None or basis == RefundBasis.EXCESS:
            return cleaned
        try:
            if basis == RefundBasis.AMOUNT:
                decimals = payment.transfer.asset.decimals
                cleaned["amount_minor"] = parse_minor(text.replace(",", ".").replace(" ", ""), decimals)
            elif text:
                cleaned["value_tiyn"] = parse_typed_amount(text)
        except AmountError:
            self.add_error("amount", _("Enter an amount of the coin, such as 0.0005."))
        except forms.ValidationError as error:
            self.add_error("amount", error)
        return cleaned


class AddressForm(forms.Form):
    """Where a resident wants money back."""

    address = forms.CharField(
        label=gettext_lazy("Your address"),
        max_length=ADDRESS_LENGTH_MAX,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "none",
                "autocorrect": "off",
                "spellcheck": "false",
                "class": "mono",
            }
        ),
    )


def started(form: StartForm, invoice_id: str) -> Refund | None:
    """The refund that the page of ``form`` started when it was sent before, unless it was called off since.

    Asked before the form is looked at: that refund may have left nothing that the page could ask for.
    """
    asked = _asked(form)
    try:
        refund = refunds.started_by(asked, invoice_id) if asked else None
    except refunds.IdempotencyConflict:
        return None  # ``start`` says so, where the rest is in order
    return None if refund is None or refund.status == RefundStatus.CANCELLED else refund


def start(form: StartForm, *, user: User, now: datetime) -> Refund | None:
    """The refund that the valid ``form`` asks for, or None with the reason among its errors."""
    cleaned = form.cleaned_data
    try:
        refund = refunds.start(
            int(cleaned["payment"]),
            basis=cleaned["basis"],
            value_tiyn=cleaned["value_tiyn"],
            amount_minor=cleaned["amount_minor"],
            user=user,
            reason=cleaned["reason"],
            now=now,
            asked=_asked(form),
        )
        if refund.status != RefundStatus.CANCELLED:
            return refund
        _refuse_page(form)
    except refunds.IdempotencyConflict:
        _refuse_page(form)
    except refunds.RefundRefused as error:
        form.add_error(None, refusal(error))
    except RateUnavailable:
        form.add_error(
            None, _("There is no reliable exchange rate at the moment. Please try again in a minute.")
        )
    return None


def _asked(form: StartForm) -> refunds.RequestKey | None:
    """The page's name, and what was typed into it; None where it has no name of ours."""
    once = form.data.get("once", "")
    typed = [form.data.get(name, "") for name in ("payment", "basis", "amount", "reason")]
    return refunds.RequestKey.of(once, repr(typed)) if is_public_id(once) else None


def _refuse_page(form: StartForm) -> None:
    form.rename()
    form.add_error(None, _("This page has started a refund already. Send it again if you want another one."))


def payments_of(invoice_id: str) -> list[Payment]:
    """The payments of an invoice of which something may go back: confirmed ones, in order of arrival."""
    payments = Payment.objects.filter(invoice=invoice_id, ledger_entry__isnull=False).select_related(
        "invoice", "quote", "transfer__asset__network"
    )
    return [
        payment
        for payment in payments.order_by("received_at", "id")
        if refundable.credited(payment).left.amount_minor or refundable.held_minor(payment)
    ]
