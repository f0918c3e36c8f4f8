"""Coin that reached EVM deposit addresses unseen: a contract sent it, and no node told of the call.

Now and then the balances of the addresses are asked for at a block as deep as the slowest stores ask for. What an address gained
since it was last checked, less the transfers that are known in between, came from inside calls, and is recorded as one transfer:
its txid is that block's hash, its index tells the address (``observation.INSIDE_INDEX``). It is a known transfer from then on, so
nothing is counted twice, whether the traces or the balances saw it first.

An address that has sent something since gained more than its balance shows; what it sent is noted in ``CoinBalance``, and a gain
in the very same span is not seen. Nothing is recorded of what an address held before it was given out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from alatau_pay.wake import wake
from chains.evm.reader import EvmReader
from chains.models import Block, CoinBalance, DepositAddress, Network, OnChainAsset, Transfer, TransferState
from chains.nodes import NodeError, NodeUnavailable
from chains.observation import (
    INSIDE_INDEX,
    BlockHeader,
    ChainReader,
    FoundBlock,
    FoundTransfer,
    Position,
    Reading,
)
from chains.transfer_rows import TransferRows

logger = logging.getLogger(__name__)

# The newest addresses are checked each time, so many at most; of the others the next few, so that each has its turn.
YOUNG_AT_ONCE = 1000
OLDER_AT_ONCE = 100
# A node that traces every block leaves little for the balances to find.
TRACED_PAUSE_FACTOR = 60
# Checked at the latest after so many blocks, whatever the clock says: where an address begins must be among the kept blocks.
BLOCKS_MAX = 128
# A block may state an earlier time than that of payments in it; so much earlier it certainly knew nothing of an address.
SURELY_BEFORE = timedelta(seconds=60)


@dataclass(slots=True)
class Turn:
    """When a network was last checked, and which of the older addresses come next. Losing it costs one check."""

    at: datetime = datetime.min.replace(tzinfo=UTC)
    height: int = -1
    blocks_read_since: int = 0
    last_older_pk: int = 0
    is_failing: bool = False


_turns: dict[str, Turn] = {}


@dataclass(frozen=True, slots=True)
class _Account:
    """An address to check, and what with: its ``row``, or where it has none its balance at the block ``since``."""

    address: DepositAddress
    row: CoinBalance | None
    since: Block | None


def after_step(network_slug: str, reader: ChainReader, *, blocks: int, now: datetime) -> int:
    """Check the balances if it is time for it, after a step that read so many ``blocks``. Returns the transfers recorded.

    A node that does not answer this fails nothing else: it is logged once, and asked again at the next time.
    """
    if not isinstance(reader, EvmReader):
        return 0
    turn = _turns.setdefault(network_slug, Turn())
    turn.blocks_read_since += blocks
    if not _is_due(turn, traced=not reader.inside_calls.missed, now=now):
        return 0
    turn.at, turn.blocks_read_since = now, 0
    try:
        recorded = check(network_slug, reader, turn, now=now)
    except (NodeUnavailable, NodeError) as error:
        if not turn.is_failing:
            logger.warning("balances were not checked: %s", error, extra={"network": network_slug})
        turn.is_failing = True
        return 0
    turn.is_failing = False
    reader.inside_calls.forgive()
    return recorded


def forget(network_slug: str) -> None:
    """The next step checks at once."""
    _turns.pop(network_slug, None)


def _is_due(turn: Turn, *, traced: bool, now: datetime) -> bool:
    """``traced``: every block since the last time was read with its traces."""
    pause = settings.COIN_CHECK_SECONDS * (TRACED_PAUSE_FACTOR if traced else 1)
    return now - turn.at >= timedelta(seconds=pause) or turn.blocks_read_since >= BLOCKS_MAX


def check(network_slug: str, reader: EvmReader, turn: Turn, *, now: datetime) -> int:
    """Check the balances of a network's addresses and record what nobody told of. Returns the number of transfers recorded.

    The node is asked outside any database transaction; then everything is written in one, or nothing when the chain moved.

    Raises:
        NodeUnavailable, NodeError: no usable answer; nothing is written.
    """
    network = Network.objects.get(pk=network_slug)
    block = _checked_block(network)
    has_coin = OnChainAsset.objects.filter(network=network, contract__isnull=True).exists()
    if block is None or not has_coin or block.height == turn.height:
        return 0
    accounts = _accounts(network, block, _addresses(network, turn, now))
    questions = [(bytes(account.address.key), bytes(block.hash)) for account in accounts]
    starts = [account for account in accounts if account.since is not None]
    questions += [(bytes(each.address.key), bytes(each.since.hash)) for each in starts if each.since]
    balances = reader.coin_balances(questions)
    answered = list(zip(accounts, balances[: len(accounts)], strict=True))
    before = {each.address.pk: wei for each, wei in zip(starts, balances[len(accounts) :], strict=True)}
    recorded = _write(network, block, answered, before, now)
    turn.height = block.height
    return recorded


def _checked_block(network: Network) -> Block | None:
    """A block that stands as deep as the slowest stores ask for."""
    if network.cursor_height is None:
        return None
    height = max(0, network.cursor_height - network.confirmations_low_speed + 1)
    return Block.objects.filter(network=network, height=height).first()


def _addresses(network: Network, turn: Turn, now: datetime) -> list[DepositAddress]:
    young_since = now - timedelta(days=settings.COIN_CHECK_DAYS)
    given_out = DepositAddress.objects.filter(network=network).select_related("coin_balance").order_by("pk")
    young = list(given_out.filter(created_at__gte=young_since).reverse()[:YOUNG_AT_ONCE])
    others = given_out.filter(pk__gt=turn.last_older_pk).exclude(pk__in=[address.pk for address in young])
    older = list(others[:OLDER_AT_ONCE])
    turn.last_older_pk = older[-1].pk if len(older) == OLDER_AT_ONCE else 0
    return [*young, *older]


def _accounts(network: Network, block: Block, addresses: Iterable[DepositAddress]) -> list[_Account]:
    kept = list(Block.objects.filter(network=network, height__lte=block.height).order_by("-height"))
    accounts = []
    for address in addresses:
        row: CoinBalance | None = getattr(address, "coin_balance", None)
        since = None if row else _block_before(address.created_at - SURELY_BEFORE, kept)
        if row is None or row.height < block.height:
            accounts.append(_Account(address, row, since))
    return accounts


def _block_before(instant: datetime, kept: Sequence[Block]) -> Block:
    """The newest of ``kept`` (newest first) from before ``instant``; of younger ones the oldest."""
    return next((block for block in kept if block.time <= instant), kept[-1])


def _write(
    network: Network,
    block: Block,
    answered: Sequence[tuple[_Account, int | None]],
    before: Mapping[int, int | None],
    now: datetime,
) -> int:
    with transaction.atomic():
        # The watcher moves the cursor under this lock too: no transfer appears and no block goes in between.
        stands = Network.objects.select_for_update(no_key=True).filter(pk=network.pk, halted_at=None).exists()
        if (
            not stands
            or not Block.objects.filter(network=network, height=block.height, hash=block.hash).exists()
        ):
            return 0
        known = _known_transfers(network, block.height, [account.address.pk for account, _ in answered])
        found, unknown = [], 0
        for account, wei in answered:
            unknown += wei is not None and account.since is not None and before[account.address.pk] is None
            if wei is not None:
                found += _settle(account, wei, before.get(account.address.pk), block, known)
        if unknown:
            logger.warning(
                "the node does not say what %s addresses held before: they are watched from now on",
                unknown,
                extra={"network": network.slug},
            )
        return _record(network, block, found, now) if found else 0


# Coin transfers in blocks: (height, wei) of each, by address.
_Known = Mapping[int, Sequence[tuple[int, int]]]


def _known_transfers(network: Network, height: int, address_ids: Sequence[int]) -> _Known:
    known: dict[int, list[tuple[int, int]]] = {}
    rows = (
        Transfer.objects.filter(
            network=network,
            asset__contract__isnull=True,
            state=TransferState.MINED,
            block_height__lte=height,
            deposit_address__in=address_ids,
        )
        .values_list("deposit_address", "block_height")
        .annotate(Sum("amount_minor"))
    )
    for address_id, block_height, amount_minor in rows:
        known.setdefault(address_id, []).append((block_height, amount_minor))
    return known


def _settle(
    account: _Account, balance_wei: int, before: int | None, block: Block, known: _Known
) -> list[FoundTransfer]:
    """Bring the address's row to ``block``; returns what arrived unexplained, at most one transfer."""
    address = account.address
    start = _start(account, before)
    if start is None:
        start = CoinBalance(deposit_address=address, height=block.height, balance_minor=balance_wei)
    explained = sum(wei for height, wei in known.get(address.pk, ()) if height > start.height)
    gained = balance_wei - start.balance_minor
    if account.row is not None and gained == explained == 0:
        return []
    start.spent_minor += max(0, explained - gained)
    unexplained = max(0, gained - explained)
    start.height, start.balance_minor = block.height, balance_wei
    start.save()
    return [_found(address, block, unexplained)] if unexplained else []


def _start(account: _Account, before: int | None) -> CoinBalance | None:
    """What the address is compared with: its row, or a new one of what it held where it begins."""
    if account.row is not None or account.since is None or before is None:
        return account.row
    return CoinBalance(deposit_address=account.address, height=account.since.height, balance_minor=before)


def _found(address: DepositAddress, block: Block, amount_minor: int) -> FoundTransfer:
    return FoundTransfer(
        txid=bytes(block.hash),
        index=INSIDE_INDEX - address.pk,
        key=bytes(address.key),
        contract=None,
        amount_minor=amount_minor,
    )


def _record(network: Network, block: Block, found: Sequence[FoundTransfer], now: datetime) -> int:
    header = BlockHeader(block.height, bytes(block.hash), bytes(block.parent_hash), block.time)
    reading = Reading(tip=Position(header.height, header.hash), blocks=[FoundBlock(header, found)])
    rows = TransferRows(network, reading, now)
    rows.write_mined(found, header)
    if rows.changed:
        wake("payments.tasks.match")
        wake("payments.tasks.confirm", network.slug)
    return rows.changed
