"""The application of a business, and the sign-up of the person who makes it."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from merchants import business_id, wording
from merchants.bank_account_form import BankAccountFields
from merchants.models import LegalForm, Merchant, User
from merchants.onboarding import Application

_PHONE = re.compile(r"^\+?[0-9 ()-]{7,20}$", re.ASCII)


class SignUpForm(forms.Form):
    """A new person's log-in: e-mail address and password."""

    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=256,
        help_text=_("At least 10 characters; a few words you can remember are best."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_email(self) -> str:
        """The address in lower case; one that has a log-in is refused."""
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise ValidationError(wording.EMAIL_UNUSABLE)
        return email

    def clean(self) -> dict[str, Any]:
        """The password is judged beside the address, which it must not resemble."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("password"):
            try:
                validate_password(data["password"], User(email=data.get("email", "")))
            except ValidationError as error:
                self.add_error("password", error)
        return data


class ApplicationForm(BankAccountFields, forms.ModelForm):
    """What a business says about itself. ``decoded`` says what its number means, once that is valid."""

    bic_confirmed = forms.BooleanField(
        required=False, widget=forms.HiddenInput, label=_("The BIC is right as it is")
    )

    class Meta:
        model = Merchant
        fields: ClassVar = [
            "legal_name",
            "legal_form",
            "business_id",
            "activity",
            "address",
            "contact_name",
            "contact_phone",
            "iban",
            "bank_bic",
        ]
        error_messages: ClassVar = {"business_id": {"unique": wording.BUSINESS_ID_UNUSABLE}}
        help_texts: ClassVar = {
            "legal_name": _("As in the registration certificate."),
            "business_id": _("12 digits: БИН of a company, ИИН of an individual entrepreneur."),
            "iban": _("The tenge account that you are paid to: KZ and 18 letters or digits."),
            "bank_bic": _("Left empty, it is taken from the account number where the bank is known."),
        }
        widgets: ClassVar = {
            "legal_name": forms.TextInput(attrs={"autocomplete": "organization"}),
            "business_id": forms.TextInput(
                attrs={"inputmode": "numeric", "maxlength": 20, "autocomplete": "off", "spellcheck": "false"}
            ),
            "address": forms.TextInput(attrs={"autocomplete": "street-address"}),
            "contact_name": forms.TextInput(attrs={"autocomplete": "name"}),
            "contact_phone": forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
            "iban": forms.TextInput(attrs={"maxlength": 34, "autocomplete": "off", "spellcheck": "false"}),
            "bank_bic": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.decoded: business_id.BusinessId | None = None
        # People paste numbers with spaces: the length is judged after they are taken out.
        for name, length in (("business_id", 20), ("iban", 34)):
            self.fields[name] = forms.CharField(
                label=self.fields[name].label,
                help_text=self.fields[name].help_text,
                max_length=length,
                widget=self.fields[name].widget,
                error_messages=self._meta.error_messages.get(name) if self._meta.error_messages else None,
            )
        self.fields["bank_bic"].required = False

    def clean_business_id(self) -> str:
        """The 12 digits; what they mean is kept for the page."""
        try:
            self.decoded = business_id.parse(self.cleaned_data["business_id"], today=timezone.localdate())
        except business_id.BusinessIdRefused as error:
            raise ValidationError(wording.business_id_fault(error.fault)) from error
        return self.decoded.number

    def clean_contact_phone(self) -> str:
        """Digits with the usual punctuation."""
        phone: str = self.cleaned_data["contact_phone"].strip()
        if not _PHONE.match(phone):
            raise ValidationError(_("A phone number looks like +7 701 234 56 78."))
        return phone

    def clean(self) -> dict[str, Any]:
        """Legal form against number, BIC against account number."""
        data: dict[str, Any] = super().clean() or {}
        self._judge_legal_form(data)
        if "iban" in data and "bank_bic" in data:
            self.judge_bic(data)
        return data

    def _judge_legal_form(self, data: dict[str, Any]) -> None:
        if self.decoded is None or "legal_form" not in data:
            return
        is_person = self.decoded.kind in {business_id.Kind.PERSON, business_id.Kind.JOINT_ENTREPRENEUR}
        if is_person != (data["legal_form"] == LegalForm.ENTREPRENEUR):
            self.add_error("legal_form", _("The number below belongs to another legal form."))

    def application(self) -> Application:
        """The valid form as the verb wants it."""
        return Application(**{name: self.cleaned_data[name] for name in self._meta.fields or ()})
