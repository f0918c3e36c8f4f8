"""The forms of a store's pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from merchants import api_keys, outgoing, wording
from merchants.installation import AssetChoice
from merchants.models import ExcessPolicy, Role, SpeedPolicy, Store, Webhook
from merchants.stores import StoreSettings

LANGUAGES = [("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]


class LogInForm(AuthenticationForm):
    """E-mail address and password; the address in any case."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages |= {"invalid_login": _("The e-mail address or the password is not right.")}
        self.fields["username"].label = _("E-mail address")
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "maxlength": 254}
        )

    def clean_username(self) -> str:
        """Addresses are kept in lower case."""
        username: str = self.cleaned_data["username"].lower()
        return username


class StoreForm(forms.Form):
    """A store's settings. ``asset_choices`` are the assets that may be accepted now."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What customers read on the payment page.")
    )
    website = forms.URLField(label=_("Website"), required=False, max_length=200, assume_scheme="https")
    accepted_assets = forms.MultipleChoiceField(
        label=_("Accepted assets"), widget=forms.CheckboxSelectMultiple
    )
    speed_policy = forms.ChoiceField(
        label=_("When a payment counts as final"),
        choices=[
            (SpeedPolicy.HIGH, _("High speed: small amounts, paid at the counter")),
            (SpeedPolicy.MEDIUM, _("Medium speed: the usual choice")),
            (SpeedPolicy.LOW_MEDIUM, _("Low-medium speed: more confirmations")),
            (SpeedPolicy.LOW, _("Low speed: large amounts")),
        ],
        initial=SpeedPolicy.MEDIUM,
    )
    invoice_minutes = forms.IntegerField(
        label=_("Price holds for, minutes"), min_value=1, max_value=1440, initial=15
    )
    monitoring_minutes = forms.IntegerField(
        label=_("Late payments are watched for, minutes"), min_value=0, max_value=43200, initial=1440
    )
    tolerance_percent = forms.DecimalField(
        label=_("Accepted underpayment, %"),
        min_value=Decimal(0),
        max_value=Decimal(10),
        decimal_places=2,
        initial=Decimal(0),
    )
    excess_policy = forms.ChoiceField(
        label=_("When a customer pays too much, the excess is"),
        choices=ExcessPolicy.choices,
        initial=ExcessPolicy.HOLD,
    )
    language = forms.ChoiceField(label=_("Language of the payment page"), choices=LANGUAGES, initial="kk")
    archived = forms.BooleanField(
        label=_("Archived: no new invoices"),
        required=False,
        help_text=_("What it was paid stays visible and owed."),
    )

    def __init__(
        self, *args: Any, asset_choices: list[AssetChoice], store: Store | None = None, **kwargs: Any
    ) -> None:
        if store is not None:
            kwargs["initial"] = _initial(store)
        super().__init__(*args, **kwargs)
        assets: Any = self.fields["accepted_assets"]
        assets.choices = [(choice.code, choice.label) for choice in asset_choices]
        if store is None:
            assets.initial = [choice.code for choice in asset_choices]
            del self.fields["archived"]

    def store_settings(self) -> StoreSettings:
        """The valid form as the verb wants it; assets stand in the order of the choices."""
        data = self.cleaned_data
        assets: Any = self.fields["accepted_assets"]
        return StoreSettings(
            name=data["name"],
            website=data["website"],
            accepted_assets=[code for code, _label in assets.choices if code in data["accepted_assets"]],
            speed_policy=data["speed_policy"],
            invoice_minutes=data["invoice_minutes"],
            monitoring_minutes=data["monitoring_minutes"],
            tolerance_basis_points=int(data["tolerance_percent"] * 100),
            excess_policy=data["excess_policy"],
            language=data["language"],
        )


class KeyForm(forms.Form):
    """A new API key."""

    label = forms.CharField(
        label=_("Label"), max_length=100, help_text=_("Where the key is used, for example: online shop.")
    )
    permissions = forms.MultipleChoiceField(
        label=_("Permissions"),
        choices=list(wording.PERMISSIONS.items()),
        initial=list(api_keys.PERMISSIONS),
        widget=forms.CheckboxSelectMultiple,
    )


class WebhookForm(forms.Form):
    """Where a store's server is told, and of what."""

    url = forms.URLField(
        label=_("Address of your server"),
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    event_types = forms.MultipleChoiceField(
        label=_("Events"),
        required=False,
        choices=list(wording.EVENTS.items()),
        help_text=_("None ticked: every event."),
        widget=forms.CheckboxSelectMultiple,
    )
    automatic_redelivery = forms.BooleanField(
        label=_("Repeat failed deliveries"), required=False, initial=True
    )
    enabled = forms.BooleanField(label=_("Switched on"), required=False, initial=True)

    def __init__(self, *args: Any, webhook: Webhook | None = None, **kwargs: Any) -> None:
        if webhook is not None:
            kwargs["initial"] = {
                "url": webhook.url,
                "event_types": webhook.event_types,
                "automatic_redelivery": webhook.automatic_redelivery,
                "enabled": webhook.enabled,
            }
        super().__init__(*args, **kwargs)

    def clean_url(self) -> str:
        """An address that we may post to."""
        url: str = self.cleaned_data["url"]
        try:
            outgoing.check_address(url, private_allowed=settings.WEBHOOKS_TO_PRIVATE_ADDRESSES)
        except outgoing.AddressRefused as error:
            raise ValidationError(str(error)) from error
        return url


class RoleForm(forms.Form):
    """A member's role."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.CASHIER)


class InviteForm(RoleForm):
    """A new member of the team."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    field_order = ("email", "role")


def _initial(store: Store) -> dict[str, Any]:
    return {
        "name": store.name,
        "website": store.website,
        "accepted_assets": store.accepted_assets,
        "speed_policy": store.speed_policy,
        "invoice_minutes": store.invoice_minutes,
        "monitoring_minutes": store.monitoring_minutes,
        "tolerance_percent": Decimal(store.tolerance_basis_points) / 100,
        "excess_policy": store.excess_policy,
        "language": store.language,
        "archived": store.archived,
    }
