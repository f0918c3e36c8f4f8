"""The two fields that name a bank account, and how they are judged together; an application and a change both hold them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from merchants import bank_account


class BankAccountFields(forms.BaseForm):
    """For a form with ``iban``, ``bank_bic`` and the hidden ``bic_confirmed``: cleaned, and judged against each other."""

    def clean_iban(self) -> str:
        """The account number without spaces."""
        try:
            return bank_account.parse_iban(self.cleaned_data["iban"])
        except bank_account.BankAccountRefused as error:
            raise ValidationError(
                _(
                    "This is not an account number of Kazakhstan (KZ, then 18 letters or digits), or it has a typing mistake."
                )
            ) from error

    def clean_bank_bic(self) -> str:
        """The BIC, or nothing yet."""
        text: str = self.cleaned_data["bank_bic"]
        if not text.strip():
            return ""
        try:
            return bank_account.parse_bic(text)
        except bank_account.BankAccountRefused as error:
            raise ValidationError(
                _("A BIC has 8 or 11 characters, and KZ as its fifth and sixth.")
            ) from error

    def judge_bic(self, data: dict[str, Any]) -> None:
        """Take the BIC from the account number where it was left empty; ask where the two do not fit."""
        hint = bank_account.hint_bic(data["iban"])
        if not data["bank_bic"]:
            if hint is None:
                self.add_error(
                    "bank_bic", _("The bank is not known from the account number: please give its BIC.")
                )
            data["bank_bic"] = hint or ""
        elif hint and not bank_account.is_same_bank(hint, data["bank_bic"]) and not data.get("bic_confirmed"):
            # The list of banks is partly stale, so this is a question and no refusal.
            self.fields["bic_confirmed"].widget = forms.CheckboxInput()
            self.add_error(
                "bank_bic",
                ValidationError(
                    _(
                        "The account number points to the bank %(bic)s. If yours is right, tick the box below."
                    ),
                    params={"bic": hint},
                ),
            )


class BankAccountForm(BankAccountFields, forms.Form):
    """Another account to be paid to."""

    iban = forms.CharField(
        label=_("bank account (IBAN)"),
        max_length=34,
        help_text=_("The tenge account that you are paid to: KZ and 18 letters or digits."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    bank_bic = forms.CharField(
        label=_("bank's BIC"),
        max_length=11,
        required=False,
        help_text=_("Left empty, it is taken from the account number where the bank is known."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    bic_confirmed = forms.BooleanField(
        required=False, widget=forms.HiddenInput, label=_("The BIC is right as it is")
    )

    def clean(self) -> dict[str, Any]:
        """BIC against account number."""
        data: dict[str, Any] = super().clean() or {}
        if "iban" in data and "bank_bic" in data:
            self.judge_bic(data)
        return data
