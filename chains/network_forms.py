"""The forms that add a network or an asset. What a node or a contract says was asked before, and is compared here."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from chains import networks
from chains.evm.token_contract import Token
from chains.models import Network, OnChainAsset
from chains.networks import Anchor, NetworkRefused
from chains.presets import PRESETS


class NetworkForm(forms.ModelForm):
    """A network known by name. First it shows the chain's first block as the nodes tell it; then it is added."""

    preset = forms.ChoiceField(
        label=_("network"), choices=[(slug, preset.name) for slug, preset in PRESETS.items()]
    )
    wanted_slug = forms.SlugField(
        label=_("its name in NODE_URLS"),
        required=False,
        max_length=32,
        help_text=_("Empty: the usual one. Nodes for it must be set before."),
    )
    wanted_name = forms.CharField(label=_("its name for people"), required=False, max_length=60)
    confirmed = forms.BooleanField(
        label=_("this is the chain I mean"),
        required=False,
        help_text=_("Save once without this tick to see which chain the nodes follow, then tick."),
    )

    # What the nodes said before the form was read: the chain's anchor, or why the network cannot be added.
    anchor: Anchor | None = None
    node_fault = ""

    class Meta:
        model = Network
        fields: ClassVar[list[str]] = []

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        preset = PRESETS.get(cleaned.get("preset", ""))
        if preset is None:
            return cleaned
        fault = self.node_fault or networks.fault(preset, slug=cleaned.get("wanted_slug") or preset.slug)
        if fault or self.anchor is None:
            raise ValidationError({"preset": fault or str(_("The nodes were not asked."))})
        if not cleaned.get("confirmed"):
            question = _("The nodes say that its block %(height)s is %(hash)s. Is this the chain you mean?")
            block = {"height": self.anchor.height, "hash": self.anchor.hash_hex}
            raise ValidationError({"confirmed": question % block})
        return cleaned


class OnChainAssetForm(forms.ModelForm):
    """A coin, or a token by its contract's address. What the contract says of itself is not typed but read."""

    contract_address = forms.CharField(
        label=_("contract"), required=False, help_text=_("0x… of a token; empty for the network's coin.")
    )
    contract_symbol = forms.CharField(
        label=_("what the contract calls itself"),
        required=False,
        max_length=16,
        help_text=_("Only where it is not the symbol above, to the letter."),
    )

    # What the contract said before the form was read, or why it is no token.
    token: Token | None = None
    token_fault = ""

    class Meta:
        model = OnChainAsset
        fields: ClassVar = ["code", "symbol", "name", "network", "decimals", "quote_decimals"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk and not self.instance._state.adding:
            return cleaned
        if self.token_fault:
            raise ValidationError({"contract_address": self.token_fault})
        if self.token is not None and cleaned.get("network"):
            self._check_token(self.token, cleaned)
        return cleaned

    def _check_token(self, token: Token, cleaned: dict[str, Any]) -> None:
        if cleaned.get("decimals") != token.decimals:
            raise ValidationError(
                {"decimals": _("The contract says %(decimals)s.") % {"decimals": token.decimals}}
            )
        symbol = cleaned.get("contract_symbol") or cleaned.get("symbol", "")
        try:
            networks.check_token(token, decimals=token.decimals, symbol=symbol)
        except NetworkRefused as refusal:
            raise ValidationError({"contract_symbol": str(refusal)}) from None
        if OnChainAsset.objects.filter(network=cleaned["network"], contract=token.contract).exists():
            raise ValidationError({"contract_address": _("This token is there already.")})
