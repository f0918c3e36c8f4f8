"""Django admin of the chains. What verbs write is only read here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from alatau_pay.money import Money
from chains import wallets
from chains.evm.addresses import checksum_address
from chains.health_admin import HealthPages
from chains.models import (
    Block,
    CoinBalance,
    DepositAddress,
    Destination,
    Network,
    OnChainAsset,
    OutgoingTransfer,
    Rescan,
    Transfer,
    TransferInput,
    Wallet,
)
from chains.network_admin import AssetAdding, NetworkAdding
from chains.network_forms import OnChainAssetForm
from chains.wallet_import_admin import ImportPages


def _hex(value: bytes | memoryview | None, *, prefix: str = "") -> str:
    return prefix + bytes(value).hex() if value else "–"


@admin.register(Network)
class NetworkAdmin(NetworkAdding, HealthPages):
    list_display = ("name", "slug", "kind", "condition", "cursor_height", "observed_at", "enabled")
    list_filter = ("kind", "enabled")
    search_fields = ("slug", "name")
    _identity = ("slug", "kind", "bitcoin_chain", "chain_id", "anchor_height", "anchor_hash_hex")
    _watched = (
        "condition", "cursor_height", "cursor_hash_hex", "final_height", "observed_at", "halted_at", "halted_reason",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Which chain a network is never changes: a cursor of one chain means nothing on another."""
        return (*self._identity, *self._watched) if obj else self._watched

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("condition"))
    def condition(self, network: Network) -> str:
        if network.halted_at:
            return str(_("halted: %(reason)s") % {"reason": network.halted_reason})
        if network.cursor_height is None:
            return str(_("not read yet"))
        return str(_("watched")) if network.enabled else str(_("disabled"))

    @admin.display(description=_("last block read"))
    def cursor_hash_hex(self, network: Network) -> str:
        return _hex(network.cursor_hash)


@admin.register(OnChainAsset)
class OnChainAssetAdmin(AssetAdding):
    form = OnChainAssetForm
    list_display = ("code", "symbol", "name", "network", "contract_hex", "decimals", "quote_decimals")
    list_filter = ("network",)
    search_fields = ("code", "symbol", "name")
    _fixed = ("code", "network", "contract_hex", "decimals")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        contract = ("contract_hex",) if obj else ("contract_address", "contract_symbol")
        return ("code", "symbol", "name", "network", *contract, "decimals", "quote_decimals")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What amounts are counted in never changes under them."""
        return self._fixed if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("contract"))
    def contract_hex(self, asset: OnChainAsset) -> str:
        return checksum_address(bytes(asset.contract)) if asset.contract else "–"


@admin.register(Wallet)
class WalletAdmin(ImportPages):
    list_display = ("label", "network", "method", "owner", "active", "next_index", "created_at")
    list_filter = ("network", "active")
    search_fields = ("label", "owner")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("network", "label", "public_key")
        return (
            "network",
            "label",
            "owner",
            "method",
            "public_key",
            "first_addresses",
            "last_given_out",
            "last_used",
            "gap_limit",
            "active",
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("deposit method"))
    def method(self, wallet: Wallet) -> str:
        return wallets.method(wallet.public_key).value

    @admin.display(description=_("first addresses"))
    def first_addresses(self, wallet: Wallet) -> SafeString:
        addresses = wallets.preview(wallet.network, wallet.public_key)
        return format_html("<br>".join(["{}"] * len(addresses)), *addresses)

    @admin.display(description=_("highest index given out"))
    def last_given_out(self, wallet: Wallet) -> str:
        return str(wallet.next_index - 1) if wallet.next_index else "–"

    @admin.display(description=_("highest index that received money"))
    def last_used(self, wallet: Wallet) -> str:
        index = wallets.highest_used_index(wallet)
        return "–" if index is None else str(index)

    @admin.display(description=_("restoring the wallet elsewhere"))
    def gap_limit(self, wallet: Wallet) -> str:
        """What to set so that the restored wallet finds every coin."""
        if wallets.method(wallet.public_key) is wallets.Method.FORWARDER:
            return str(_("Nothing to look for: the addresses follow from the contracts."))
        least = wallets.gap_limit_min(wallet)
        advice = _(
            "Set its gap limit to at least %(least)s: addresses of unpaid invoices leave gaps, and most wallets "
            "stop looking after %(usual)s unused addresses in a row."
        )
        enough = _("The usual gap limit of %(usual)s is enough (the widest gap needs %(least)s).")
        return str(advice if least > wallets.GAP_LIMIT_USUAL else enough) % {
            "least": least,
            "usual": wallets.GAP_LIMIT_USUAL,
        }


@admin.register(DepositAddress)
class DepositAddressAdmin(ReadOnlyAdmin):
    list_display = ("address", "network", "wallet", "derivation_index", "purpose", "created_at")
    list_filter = ("network",)
    search_fields = ("address", "purpose")
    exclude = ("key",)


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    list_display = ("height", "network", "hash_hex", "time")
    list_filter = ("network",)
    ordering: ClassVar = ["network", "-height"]
    fields = ("network", "height", "hash_hex", "parent_hash_hex", "time")

    @admin.display(description=_("hash"))
    def hash_hex(self, block: Block) -> str:
        return _hex(block.hash)

    @admin.display(description=_("parent"))
    def parent_hash_hex(self, block: Block) -> str:
        return _hex(block.parent_hash)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = (
        "txid_hex",
        "index",
        "asset",
        "amount",
        "deposit_address",
        "state",
        "block_height",
        "received_at",
    )
    list_filter = ("network", "state", "asset")
    search_fields = ("deposit_address__address", "sender")
    ordering: ClassVar = ["-id"]
    exclude = ("txid", "block_hash")
    fields = (
        "network", "txid_hex", "index", "asset", "amount", "deposit_address", "sender", "state", "state_reason",
        "block_height", "block_hash_hex", "seen_at", "received_at", "pending_match",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        return super().get_queryset(request).select_related("asset__network", "deposit_address")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Transfer], search_term: str
    ) -> tuple[QuerySet[Transfer], bool]:
        """Also by txid, as explorers show it."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        try:
            txid = bytes.fromhex(search_term.strip().removeprefix("0x"))
        except ValueError:
            return found, may_repeat
        return (found | queryset.filter(txid=txid), may_repeat) if len(txid) == 32 else (found, may_repeat)

    @admin.display(description=_("amount"))
    def amount(self, transfer: Transfer) -> str:
        return str(Money(transfer.amount_minor, transfer.asset.asset))

    @admin.display(description=_("block"))
    def block_hash_hex(self, transfer: Transfer) -> str:
        return _hex(transfer.block_hash)


@admin.register(TransferInput)
class TransferInputAdmin(ReadOnlyAdmin):
    list_display = ("network", "txid_hex", "spends")
    list_filter = ("network",)

    @admin.display(description="txid")
    def txid_hex(self, row: TransferInput) -> str:
        return _hex(row.txid)

    @admin.display(description="spends")
    def spends(self, row: TransferInput) -> str:
        return f"{_hex(row.spent_txid)}:{row.spent_index}"


@admin.register(Rescan)
class RescanAdmin(ReadOnlyAdmin):
    list_display = (
        "network",
        "first_height",
        "next_height",
        "last_height",
        "found",
        "started_at",
        "finished_at",
    )
    list_filter = ("network",)


@admin.register(CoinBalance)
class CoinBalanceAdmin(ReadOnlyAdmin):
    list_display = ("deposit_address", "height", "balance_minor", "spent_minor")
    search_fields = ("deposit_address__address",)
    list_select_related = ("deposit_address",)


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin):
    list_display = ("address", "network", "created_at")
    list_filter = ("network",)
    search_fields = ("address",)
    exclude = ("key",)


@admin.register(OutgoingTransfer)
class OutgoingTransferAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "network", "asset", "amount", "destination", "wallet", "state", "seen_at")
    list_filter = ("network", "state")
    search_fields = ("destination__address", "sender")
    list_select_related = ("network", "asset__network", "destination", "wallet")
    exclude = ("txid", "block_hash")
    readonly_fields = ("txid_hex",)

    @admin.display(description=_("amount"))
    def amount(self, row: OutgoingTransfer) -> str:
        return str(Money(row.amount_minor, row.asset.asset))
