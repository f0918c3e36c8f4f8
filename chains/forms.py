"""The form of the chains' admin that imports a wallet by its public key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from chains import wallets
from chains.key_guard import KeyRefused
from chains.models import Wallet


class WalletForm(forms.ModelForm):
    """A new wallet. The key is used only once the person has found its first three addresses in the wallet itself.

    ``first_addresses`` are those of a key that may be used, known once the form was found valid.
    """

    public_key = forms.CharField(
        label=_("public key"),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "An extended public key (xpub, zpub …) or an output descriptor; on an EVM network also "
            "forwarder(factory,implementation,treasury). Never a private key or seed."
        ),
    )
    # The addresses that the person found in the wallet: what the page before showed, and nothing else, counts.
    confirmed = forms.CharField(required=False, widget=forms.HiddenInput)

    # Why a forwarder's contracts are not to be trusted; found on the chain before the form is read.
    contract_fault = ""
    first_addresses: Sequence[str] = ()

    class Meta:
        model = Wallet
        fields: ClassVar = ["network", "label", "public_key"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        network, public_key = cleaned.get("network"), cleaned.get("public_key")
        if network is None or not public_key:
            return cleaned
        try:
            first_addresses = wallets.preview(network, public_key)
        except KeyRefused as refusal:
            self._forget_key()
            raise ValidationError({"public_key": str(refusal)}) from None
        if self.contract_fault:
            raise ValidationError({"public_key": self.contract_fault})
        self.first_addresses = first_addresses
        return cleaned

    @property
    def is_confirmed(self) -> bool:
        """Whether the person confirmed exactly these addresses; a key changed since has to be looked at again."""
        return bool(self.first_addresses) and self.cleaned_data.get("confirmed") == self.confirmation

    @property
    def confirmation(self) -> str:
        """What ``confirmed`` says when these addresses were found in the wallet."""
        return " ".join(self.first_addresses)

    def _forget_key(self) -> None:
        """What may be a private key is not sent back to the browser with the form."""
        self.data = {**self.data, self.add_prefix("public_key"): ""}
