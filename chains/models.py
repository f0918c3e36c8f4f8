"""What happened on the networks: networks and their assets, our addresses, blocks, transfers. No invoice, no merchant."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.assets import Asset
from alatau_pay.fields import MinorAmountField


class NetworkKind(models.TextChoices):
    BITCOIN = "bitcoin", "Bitcoin"
    EVM = "evm", "EVM"


class Network(models.Model):
    """A chain we watch, and how far we have seen it.

    ``cursor_height``/``cursor_hash`` name the last block whose transfers are all in the database; they move only by
    compare-and-set in ``chains.watcher``. ``observed_at`` is the instant up to which every transfer then known to the
    node (blocks and mempool) is in the database; nothing may expire later than it. ``halted_at`` set means: the node
    contradicted what we know; nothing is read until a person resumes the network.
    """

    slug = models.SlugField(primary_key=True, max_length=32)
    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(max_length=8, choices=NetworkKind)
    # Bitcoin: main, test, signet or regtest. EVM: empty.
    bitcoin_chain = models.CharField(max_length=8, blank=True)
    # EVM chain id. Bitcoin: null.
    chain_id = models.PositiveBigIntegerField(null=True, blank=True)
    # The block that says which chain this is (the genesis block, or any old block): height and big-endian hex hash.
    anchor_height = models.PositiveBigIntegerField(default=0)
    anchor_hash_hex = models.CharField(max_length=64)
    block_seconds = models.PositiveIntegerField(_("usual seconds between blocks"), default=600)
    # EVM: the block tag behind which nothing is undone ("safe" or "finalized"); empty where depth alone decides.
    finality_tag = models.CharField(
        max_length=9, blank=True, choices=[("safe", _("safe")), ("finalized", _("finalized"))]
    )
    # The height of that tag's block, as last read; a transfer above it is never confirmed. Null without a tag.
    final_height = models.BigIntegerField(null=True, editable=False)
    # Zero (Bitcoin only) means: a transfer in the mempool counts, where nothing speaks against it.
    confirmations_high_speed = models.PositiveSmallIntegerField(default=1)
    confirmations_medium_speed = models.PositiveSmallIntegerField(default=1)
    confirmations_low_medium_speed = models.PositiveSmallIntegerField(default=2)
    confirmations_low_speed = models.PositiveSmallIntegerField(default=6)
    explorer_txid_url = models.CharField(max_length=200, blank=True, help_text=_("with {txid}"))
    enabled = models.BooleanField(default=True)
    cursor_height = models.BigIntegerField(null=True, editable=False)
    cursor_hash = models.BinaryField(max_length=32, null=True, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)
    halted_at = models.DateTimeField(null=True, editable=False)
    halted_reason = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    kind="bitcoin",
                    chain_id__isnull=True,
                    bitcoin_chain__in=["main", "test", "signet", "regtest"],
                )
                | Q(kind="evm", chain_id__isnull=False, bitcoin_chain=""),
                name="network_is_bitcoin_or_evm",
            ),
            models.CheckConstraint(
                condition=Q(cursor_height__isnull=True, cursor_hash__isnull=True)
                | Q(cursor_height__isnull=False, cursor_hash__isnull=False),
                name="network_cursor_is_height_and_hash",
            ),
            models.CheckConstraint(
                condition=(Q(confirmations_high_speed__gte=1) | Q(kind="bitcoin"))
                & Q(
                    confirmations_medium_speed__gte=1,
                    confirmations_low_medium_speed__gte=F("confirmations_medium_speed"),
                    confirmations_low_speed__gte=F("confirmations_low_medium_speed"),
                )
                & Q(confirmations_medium_speed__gte=F("confirmations_high_speed")),
                name="network_confirmations_in_order",
            ),
            models.CheckConstraint(
                condition=Q(finality_tag="") | Q(kind="evm"), name="network_finality_tag_is_evm"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OnChainAsset(models.Model):
    """A coin (``contract`` null) or a token on one network. ``decimals`` are the contract's own."""

    code = models.CharField(primary_key=True, max_length=32)
    symbol = models.CharField(max_length=16)
    name = models.CharField(max_length=60)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="assets")
    contract = models.BinaryField(max_length=20, null=True, blank=True)
    decimals = models.PositiveSmallIntegerField()
    # A quote is rounded up to this many decimals, so that a person can read and type it.
    quote_decimals = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["code"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "contract"], name="one_asset_per_contract", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(quote_decimals__lte=F("decimals"), decimals__lte=36), name="asset_decimals_range"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def asset(self) -> Asset:
        """The kernel's asset of this row."""
        return Asset(code=self.code, symbol=self.symbol, decimals=self.decimals)

    @property
    def payment_method_id(self) -> str:
        """The name of paying with this asset in the API: "BTC-CHAIN"."""
        return f"{self.code}-CHAIN"


class Wallet(models.Model):
    """A public key that deposit addresses are derived from. The private key is elsewhere and never enters here.

    ``public_key`` is a normalised output descriptor (Bitcoin) or an extended public key (EVM). ``owner`` names whose the
    wallet is in the words of the caller (empty: the operator's).
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="wallets")
    label = models.CharField(_("label"), max_length=100)
    owner = models.CharField(max_length=32, blank=True, default="")
    public_key = models.TextField(_("descriptor or extended public key"))
    next_index = models.PositiveIntegerField(default=0, editable=False)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["network", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "owner"], name="one_active_wallet_per_owner", condition=Q(active=True)
            ),
            models.UniqueConstraint(fields=["network", "public_key"], name="one_wallet_per_public_key"),
        ]

    def __str__(self) -> str:
        return self.label


class DepositAddress(models.Model):
    """An address that was given out once, to one ``purpose`` (the caller's identifier), and is watched for ever.

    ``key`` is what the chain shows: the scriptPubKey (Bitcoin) or the 20-byte address (EVM).
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="deposit_addresses")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="deposit_addresses")
    derivation_index = models.PositiveIntegerField()
    key = models.BinaryField(max_length=64)
    address = models.CharField(max_length=100)
    purpose = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "deposit addresses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "key"], name="address_given_out_once"),
            models.UniqueConstraint(fields=["wallet", "derivation_index"], name="derivation_index_used_once"),
            models.UniqueConstraint(
                fields=["network", "purpose"], name="one_address_per_network_and_purpose"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Block(models.Model):
    """A block of the chain we follow, kept for the window in which a reorganisation can be undone."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="blocks")
    height = models.PositiveBigIntegerField()
    hash = models.BinaryField(max_length=32)
    parent_hash = models.BinaryField(max_length=32)
    # The time the block itself states.
    time = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "height"], name="one_followed_block_per_height"),
            models.UniqueConstraint(fields=["network", "hash"], name="one_row_per_block"),
        ]

    def __str__(self) -> str:
        return f"{self.network_id} {self.height}"


class TransferState(models.TextChoices):
    SEEN = "Seen", _("Seen, not in a block")
    MINED = "Mined", _("In a block")
    # Left the mempool or its block without a successor: replaced, double-spent, reverted or dropped.
    GONE = "Gone", _("Gone")


class Transfer(models.Model):
    """Value arriving at a deposit address, as the chain reports it. Written by ``chains.watcher`` alone.

    ``index`` is the output number (Bitcoin) or the log index (EVM token); the coin moved by an EVM transaction itself is
    -1; a token transfer seen before its log exists is -2 and takes its log index when it is mined. Coin moved inside an EVM
    transaction's calls is -100 and below, in the order of the calls; where no node told of the call but the address's balance
    did, ``txid`` is the hash of the block that was checked and ``index`` -100 less the deposit address's number.
    ``pending_match`` says that something of the row changed and whoever matches transfers has not looked yet.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="transfers")
    txid = models.BinaryField(max_length=32)
    index = models.IntegerField()
    asset = models.ForeignKey(OnChainAsset, on_delete=models.PROTECT, related_name="transfers")
    deposit_address = models.ForeignKey(DepositAddress, on_delete=models.PROTECT, related_name="transfers")
    amount_minor = MinorAmountField()
    sender = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=8, choices=TransferState)
    state_reason = models.CharField(max_length=200, blank=True)
    # The txid of what took its place, where that is known.
    replaced_by = models.BinaryField(max_length=32, null=True, editable=False)
    # Why it must not count before it is in a block; empty: nothing speaks against it; null: nobody has looked.
    unconfirmed_risks = ArrayField(models.CharField(max_length=60), null=True, editable=False)
    # Bitcoin: a block's own reward, which nobody can spend before it is 100 blocks old; it counts from then on.
    is_coinbase = models.BooleanField(default=False, editable=False)
    block_height = models.BigIntegerField(null=True)
    block_hash = models.BinaryField(max_length=32, null=True)
    seen_at = models.DateTimeField()
    # The earlier of the moment we saw it and the time stated by the first block that held it.
    received_at = models.DateTimeField()
    pending_match = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "txid", "index"], name="one_row_per_transfer"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(
                condition=Q(state="Mined", block_height__isnull=False, block_hash__isnull=False)
                | (~Q(state="Mined") & Q(block_height__isnull=True, block_hash__isnull=True)),
                name="transfer_has_block_while_mined",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="transfer_match_queue", condition=Q(pending_match=True)),
            models.Index(fields=["network", "block_height"], name="transfer_by_height"),
            models.Index(fields=["network"], name="transfer_unmined", condition=Q(state="Seen")),
        ]

    def __str__(self) -> str:
        return f"{self.txid_hex}-{self.index}"

    @property
    def txid_hex(self) -> str:
        """The txid as explorers show it: big-endian hex, with 0x on EVM networks. Stored in that same byte order."""
        prefix = "0x" if self.asset.network.kind == NetworkKind.EVM else ""
        return prefix + bytes(self.txid).hex()


class TransferInput(models.Model):
    """An output that a Bitcoin transaction with a transfer of ours spends: what a rival would have to spend as well.

    Kept from the mempool on for as long as the block window can undo the transfer. ``spent_txid`` big-endian, as everywhere.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    txid = models.BinaryField(max_length=32)
    spent_txid = models.BinaryField(max_length=32)
    spent_index = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "txid", "spent_txid", "spent_index"], name="one_row_per_transfer_input"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["network", "spent_txid", "spent_index"], name="transfer_input_by_outpoint")
        ]

    def __str__(self) -> str:
        return f"{bytes(self.txid).hex()} spends {bytes(self.spent_txid).hex()}:{self.spent_index}"


class Rescan(models.Model):
    """A look back over blocks that were read before a wallet was imported, or with a fault; resumable at ``next_height``."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="rescans")
    # Only this wallet's addresses; null: those of every wallet.
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, null=True, related_name="rescans")
    first_height = models.PositiveBigIntegerField()
    next_height = models.PositiveBigIntegerField()
    last_height = models.PositiveBigIntegerField()
    found = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-started_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(first_height__lte=F("next_height")) & Q(first_height__lte=F("last_height")),
                name="rescan_heights_in_order",
            )
        ]

    def __str__(self) -> str:
        return f"{self.network_id} {self.first_height}–{self.last_height}"


class CoinBalance(models.Model):
    """The coin seen at an EVM deposit address at a confirmed height, and how much of it known transfers explain.

    What they do not explain came from inside a contract's call and is recorded as a transfer once.
    """

    deposit_address = models.OneToOneField(
        DepositAddress, on_delete=models.PROTECT, related_name="coin_balance"
    )
    height = models.PositiveBigIntegerField()
    balance_minor = MinorAmountField()
    # What has left the address since it was given out (its own transactions, a forwarder's emptying).
    spent_minor = MinorAmountField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(balance_minor__gte=0, spent_minor__gte=0), name="coin_balance_positive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.deposit_address_id} {self.balance_minor} at {self.height}"


class NodeHealth(models.Model):
    """What one node last said of its chain, beside our clock. ``name`` is host and port, never a password."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="node_health")
    name = models.CharField(max_length=120)
    priority = models.PositiveSmallIntegerField()
    head_height = models.BigIntegerField(null=True)
    head_hash = models.BinaryField(max_length=32, null=True)
    head_time = models.DateTimeField(null=True)
    # When the head was first seen to be this one: its age is told by our clock, not by the node's word.
    head_since = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField()
    fault = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["network", "priority"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "name"], name="one_health_row_per_node")
        ]

    def __str__(self) -> str:
        return f"{self.network_id} {self.name}"


class AlertKind(models.TextChoices):
    HALTED = "halted", _("halted until a person resumes it")
    UNOBSERVED = "unobserved", _("not up to date")


class NetworkAlert(models.Model):
    """Something about a network that a person must know, from when it began until it was over. Written by ``chains.alerts``.

    ``raised_told_at`` and ``cleared_told_at`` say when it was mailed: once each.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=12, choices=AlertKind)
    detail = models.CharField(max_length=300, blank=True)
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    raised_told_at = models.DateTimeField(null=True)
    cleared_told_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-raised_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "kind"],
                name="one_standing_alert_of_a_kind",
                condition=Q(cleared_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.network_id} {self.get_kind_display()}"


class Destination(models.Model):
    """An address of somebody else that the operator means to pay: watched, so that the payment is seen. Never one of ours.

    ``key`` is what the chain shows, as in DepositAddress. Nothing that arrives there is a Transfer, so nobody is credited.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="destinations")
    key = models.BinaryField(max_length=64)
    address = models.CharField(max_length=100)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "key"], name="destination_watched_once")
        ]

    def __str__(self) -> str:
        return self.address


class OutgoingTransfer(models.Model):
    """Value arriving at a destination, as the chain reports it. Written by ``chains.outgoing`` alone.

    ``index`` is that of Transfer. ``wallet`` is the wallet of the operator's that it was seen to come from; null: nobody
    knows whose it is. ``fee_minor`` is what the network took for the whole chain transaction, in its coin, once a node was
    asked; 0 where an account paid it that is not the operator's. ``pending`` says that something of the row changed and whoever
    follows outgoing transfers has not looked yet.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="outgoing_transfers")
    txid = models.BinaryField(max_length=32)
    index = models.IntegerField()
    asset = models.ForeignKey(OnChainAsset, on_delete=models.PROTECT, related_name="+")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="transfers")
    amount_minor = MinorAmountField()
    sender = models.CharField(max_length=100, blank=True)
    wallet = models.ForeignKey(Wallet, null=True, on_delete=models.PROTECT, related_name="+")
    fee_minor = MinorAmountField(null=True)
    state = models.CharField(max_length=8, choices=TransferState)
    block_height = models.BigIntegerField(null=True)
    block_hash = models.BinaryField(max_length=32, null=True)
    seen_at = models.DateTimeField()
    pending = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["-seen_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "txid", "index"], name="one_row_per_outgoing_transfer"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="outgoing_amount_positive"),
            models.CheckConstraint(
                condition=Q(state="Mined", block_height__isnull=False, block_hash__isnull=False)
                | (~Q(state="Mined") & Q(block_height__isnull=True, block_hash__isnull=True)),
                name="outgoing_has_block_while_mined",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="outgoing_queue", condition=Q(pending=True)),
            models.Index(fields=["network"], name="outgoing_unmined", condition=Q(state="Seen")),
        ]

    def __str__(self) -> str:
        return f"{self.txid_hex}-{self.index}"

    @property
    def txid_hex(self) -> str:
        """The txid as explorers show it, as of a Transfer."""
        prefix = "0x" if self.asset.network.kind == NetworkKind.EVM else ""
        return prefix + bytes(self.txid).hex()
