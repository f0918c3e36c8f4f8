"""What an officer types to prepare a document of the reserve or a correction; read into exact figures and given to the verbs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import AmountError, parse_minor
from chains.models import OnChainAsset, Wallet
from merchants.models import User
from settlements import acquisitions, corrections, reserve_sales
from settlements.entry import AccountName, Line
from settlements.models import (
    Account,
    Acquisition,
    AcquisitionSource,
    Correction,
    ReserveSale,
    ReserveSource,
    Side,
)
from settlements.two_people import DOCUMENT_NUMBER_LENGTH_MAX, REASON_LENGTH_MAX

CORRECTION_LINES = 6
# A document's tenge are a bigint of tiyn.
TIYN_MAX = 2**63 - 1
_KINDS_OF_MERCHANTS = frozenset({"payable", "fee_receivable"})


def read_amount(text: str, asset: Asset) -> int:
    """Smallest units of what a person typed: "1 250,50" and "1250.50" alike.

    Raises:
        forms.ValidationError: not a number, more precise than the asset, or out of range.
    """
    plain = "".join(text.split()).replace("\u00a0", "").replace(",", ".")
    try:
        amount_minor = parse_minor(plain, asset.decimals)
    except AmountError as error:
        raise forms.ValidationError(str(error)) from error
    if asset == KZT and amount_minor > TIYN_MAX:
        raise forms.ValidationError("amount out of range")
    return amount_minor


def read_account(code: str, assets: Mapping[str, Asset]) -> AccountName:
    """The account that a code names: "bank:KZT", "payable:KZT:<merchant>", "reserve:BTC:w7.payments".

    Raises:
        forms.ValidationError: the code has no such form, or names an asset that there is not.
    """
    kind, _first, rest = code.strip().partition(":")
    asset_code, _second, tail = rest.partition(":")
    if asset_code not in assets:
        raise forms.ValidationError(
            _("No such account: kind:asset, and a merchant or a part where it has one.")
        )
    if kind in _KINDS_OF_MERCHANTS:
        return AccountName(kind, assets[asset_code], merchant_id=tail)
    return AccountName(kind, assets[asset_code], part=tail)


class PaperForm(forms.Form):
    """The paper that a document names."""

    document_number = forms.CharField(label=_("Document number"), max_length=DOCUMENT_NUMBER_LENGTH_MAX)
    document_date = forms.DateField(
        label=_("Document date"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=REASON_LENGTH_MAX, widget=forms.Textarea(attrs={"rows": 2})
    )

    def paper(self) -> dict[str, Any]:
        """The verbs' arguments of the paper."""
        return {name: self.cleaned_data[name] for name in ("document_number", "document_date", "reason")}


class _WalletField(forms.ModelChoiceField):
    """A wallet with its network: two networks may have a wallet of one name."""

    def label_from_instance(self, wallet: Any) -> str:
        return f"{wallet.label} · {wallet.network.name}"


class CoinsForm(PaperForm):
    """So many units of a coin in a wallet. ``price_label`` is what the tenge are."""

    price_label: Any = ""
    sources: Any = ()
    field_order = (
        "asset",
        "wallet",
        "source",
        "amount",
        "tenge",
        "document_number",
        "document_date",
        "reason",
    )

    asset = forms.ModelChoiceField(label=_("Asset"), queryset=OnChainAsset.objects.select_related("network"))
    wallet = _WalletField(
        label=_("Wallet"),
        queryset=Wallet.objects.filter(owner="").select_related("network"),
        required=False,
        empty_label=_("In no wallet of ours"),
    )
    source = forms.ChoiceField(label=_("Source"))
    amount = forms.CharField(label=_("Amount, units of the coin"), max_length=100)
    tenge = forms.CharField(max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tenge"].label = self.price_label
        source = self.fields["source"]
        assert isinstance(source, forms.ChoiceField)
        source.choices = self.sources

    def clean(self) -> dict[str, Any]:
        """Amounts as integers, and a wallet of the asset's own network."""
        data = super().clean() or {}
        asset, wallet = data.get("asset"), data.get("wallet")
        if asset is not None and wallet is not None and wallet.network_id != asset.network_id:
            self.add_error("wallet", _("This wallet is of another network than the asset."))
        if asset is not None and "amount" in data:
            self._read("amount", asset.asset)
        if "tenge" in data:
            self._read("tenge", KZT)
        return data

    def coins(self) -> dict[str, Any]:
        """The verbs' arguments that both kinds of documents have."""
        data = self.cleaned_data
        return {
            **self.paper(),
            "coin": data["asset"].asset,
            "wallet": f"w{data['wallet'].pk}" if data["wallet"] else "",
            "source": data["source"],
            "amount_minor": data["amount"],
        }

    def _read(self, name: str, asset: Asset) -> None:
        try:
            self.cleaned_data[name] = read_amount(self.cleaned_data[name], asset)
        except forms.ValidationError as error:
            self.add_error(name, error)


class AcquisitionForm(CoinsForm):
    """Coins that came otherwise than by payments."""

    price_label = _("Price paid, or the document's value, tenge")
    sources = AcquisitionSource.choices

    def prepare(self, *, user: User, now: datetime) -> Acquisition:
        """Raises as ``acquisitions.prepare``."""
        return acquisitions.prepare(**self.coins(), value_tiyn=self.cleaned_data["tenge"], user=user, now=now)


class ReserveSaleForm(CoinsForm):
    """Coins sold for tenge."""

    price_label = _("What the bank received, tenge")
    sources = ReserveSource.choices

    def prepare(self, *, user: User, now: datetime) -> ReserveSale:
        """Raises as ``reserve_sales.prepare``."""
        return reserve_sales.prepare(
            **self.coins(), proceeds_tiyn=self.cleaned_data["tenge"], user=user, now=now
        )


class CorrectionForm(PaperForm):
    """Lines that balance: an account, a side and an amount each; rows without an account are left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, CORRECTION_LINES + 1):
            self.fields[f"account_{number}"] = forms.CharField(
                label=_("Ledger account"), max_length=100, required=False,
                widget=forms.TextInput(attrs={"list": "accounts", "class": "vTextField"}),
            )  # fmt: skip
            self.fields[f"side_{number}"] = forms.ChoiceField(label=_("Side"), choices=Side.choices)
            self.fields[f"amount_{number}"] = forms.CharField(
                label=_("Amount"), max_length=100, required=False
            )

    def clean(self) -> dict[str, Any]:
        """The lines, exact."""
        data = super().clean() or {}
        assets = {row.code: row.asset for row in OnChainAsset.objects.all()} | {KZT.code: KZT}
        lines = [self._line(number, data, assets) for number in range(1, CORRECTION_LINES + 1)]
        data["lines"] = [line for line in lines if line is not None]
        return data

    def line_rows(self) -> list[list[forms.BoundField]]:
        """The fields of each line, for the page."""
        return [
            [self[f"{name}_{number}"] for name in ("account", "side", "amount")]
            for number in range(1, CORRECTION_LINES + 1)
        ]

    def paper_fields(self) -> list[forms.BoundField]:
        """The fields of the paper, for the page."""
        return [self[name] for name in ("document_number", "document_date", "reason")]

    def known_accounts(self) -> list[str]:
        """Codes of accounts that were used before, to choose from."""
        return list(Account.objects.order_by("code").values_list("code", flat=True)[:2000])

    def prepare(self, *, user: User, now: datetime) -> Correction:
        """Raises as ``corrections.prepare``."""
        return corrections.prepare(self.cleaned_data["lines"], **self.paper(), user=user, now=now)

    def _line(self, number: int, data: dict[str, Any], assets: Mapping[str, Asset]) -> Line | None:
        code, amount = data.get(f"account_{number}", ""), data.get(f"amount_{number}", "")
        if not code and not amount:
            return None
        try:
            account = read_account(code, assets)
        except forms.ValidationError as error:
            self.add_error(f"account_{number}", error)
            return None
        try:
            amount_minor = read_amount(amount, account.asset)
        except forms.ValidationError as error:
            self.add_error(f"amount_{number}", error)
            return None
        if amount_minor <= 0:
            self.add_error(f"amount_{number}", _("An amount is positive; the side says the direction."))
            return None
        return Line(account, data[f"side_{number}"], amount_minor)
