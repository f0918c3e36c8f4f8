"""What an owner types about payouts: how the merchant wants to be paid."""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from alatau_pay.money import format_minor, parse_minor
from merchants.models import Merchant
from settlements.models import PayoutPolicy, PayoutSchedule, Weekday
from settlements.payout_policy import usual_kbe
from settlements.payout_schedule import Kind, Terms

TIYN_DECIMALS = 2
# Spaces between thousands, comma or point before the tiyn. "12,500" is refused: it means two things to two people.
_AMOUNT = re.compile(r"^(?:\d{1,12}|\d{1,3}(?: \d{3}){1,3})(?:[.,]\d{1,2})?$", re.ASCII)


class TengeField(forms.CharField):
    """An amount in tenge as people type it, cleaned to tiyn; left empty, 0."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(required=False, max_length=24, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        """Tiyn."""
        text = " ".join(str(super().clean(value)).replace("₸", " ").split())
        if not text:
            return 0
        if not _AMOUNT.match(text):
            raise ValidationError(_("Enter an amount in tenge, such as 12500 or 12500,50."))
        return parse_minor(text.replace(" ", "").replace(",", "."), TIYN_DECIMALS)


class PolicyForm(forms.Form):
    """How a merchant is paid out."""

    schedule = forms.ChoiceField(label=_("When you are paid"), choices=PayoutSchedule.choices)
    weekday = forms.TypedChoiceField(
        label=_("Day of the week"),
        choices=Weekday.choices,
        coerce=int,
        help_text=_("For weekly payouts. If it is a holiday, the next business day."),
    )
    threshold = TengeField(
        label=_("Sum that starts a payout, ₸"), help_text=_("For payouts when a sum is reached.")
    )
    minimum = TengeField(
        label=_("Smallest payout, ₸"),
        help_text=_("Less than this waits for the next time. You can still ask for it."),
    )
    kbe = forms.CharField(
        label=_("КБе"),
        required=False,
        max_length=2,
        validators=[RegexValidator(r"^[12][1-9]$", _("Two digits, such as 17 or 19."))],
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, policy: PayoutPolicy, merchant: Merchant, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "schedule": policy.schedule,
            "weekday": policy.weekday,
            "threshold": _typed(policy.threshold_tiyn),
            "minimum": _typed(policy.minimum_tiyn),
            "kbe": policy.kbe,
        }
        super().__init__(*args, **kwargs)
        self.fields["kbe"].help_text = _("Empty: %(code)s, by your legal form.") % {
            "code": usual_kbe(merchant)
        }

    def clean(self) -> dict[str, Any]:
        """A payout at a sum needs the sum."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("schedule") == PayoutSchedule.THRESHOLD and not data.get("threshold"):
            self.add_error("threshold", ValidationError(_("Say at which sum you want to be paid.")))
        return data

    def terms(self) -> Terms:
        """The valid form as the verb wants it."""
        data = self.cleaned_data
        return Terms(
            kind=cast(Kind, data["schedule"]),
            weekday=data["weekday"],
            threshold_tiyn=data["threshold"],
            minimum_tiyn=data["minimum"],
        )


def _typed(amount_tiyn: int) -> str:
    """The amount as a person would type it again; nothing for 0."""
    return (
        format_minor(amount_tiyn, TIYN_DECIMALS).replace(".", ",").removesuffix(",00") if amount_tiyn else ""
    )
