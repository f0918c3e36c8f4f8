"""The payments against a chain: what every deposit address and every place held at one confirmed height.

Of an address it is asked whether it holds more than ever arrived there by our word: money that nobody saw. Less is no
difference by itself, since addresses are emptied and spent from; whether what left is in the books is told by the place, the
wallet with all its addresses, its change and its treasury: there the reserve of the ledger has to lie.

The books are of now and the chain of some blocks ago, so what moved in between is taken into account, movement by movement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from django.db.models import Q, Sum

from chains import balances
from chains.balances import Balances
from chains.models import DepositAddress, Network, OnChainAsset, Transfer, TransferState, Wallet
from payments.models import DifferenceKind, Payment
from payments.reconciliation import leavings
from payments.reconciliation.findings import Compared, Finding, Held
from settlements.reserve import holdings

SCOPE_PREFIX = "chain:"

# (number of a place's first wallet, asset code) → smallest units.
Amounts = Mapping[tuple[int, str], int]


def scope(network: Network) -> str:
    """The name of this comparison among those of a run."""
    return f"{SCOPE_PREFIX}{network.slug}"


def compare(network: Network, read: Balances) -> Compared:
    """The deposit addresses and the operator's places on ``network``, as the caller's database transaction sees the books."""
    try:
        balances.check_still_ours(network, read.position)
    except balances.NotComparable as reason:
        return Compared(scope(network), not_compared=str(reason)[:300])
    assets = {row.code: row for row in OnChainAsset.objects.filter(network=network)}
    arrived = _arrived(network, read.position.height)
    findings = [
        Finding(
            DifferenceKind.ADDRESS_BALANCE,
            f"address:{number}",
            arrived.get((number, code), 0),
            amount_minor,
            assets[code].asset,
        )
        for (number, code), amount_minor in sorted(read.deposits.items())
        if amount_minor > arrived.get((number, code), 0)
    ]
    held = _held(network, read)
    findings += [
        Finding(
            DifferenceKind.PLACE_BALANCE,
            f"wallet:{each.wallet_id}",
            each.ledger_minor + each.not_booked_minor - each.not_buried_minor,
            each.deposits_minor + each.elsewhere_minor,
            assets[each.asset_code].asset,
            detail=f"{network.name}, {read.position.height}",
        )
        for each in held
        if each.ledger_minor + each.not_booked_minor - each.not_buried_minor
        != each.deposits_minor + each.elsewhere_minor
    ]
    addresses = DepositAddress.objects.filter(network=network).count()
    return Compared(
        scope(network), addresses * len(assets) + len(held), findings, position=read.position, held=held
    )


def holds_something(network: Network) -> bool:
    """Whether by the ledger anything lies in a wallet on ``network``."""
    return any(_ledger(network).values())


def _arrived(network: Network, height: int) -> Amounts:
    rows = (
        Transfer.objects.filter(network=network, state=TransferState.MINED, block_height__lte=height)
        .values_list("deposit_address", "asset")
        .annotate(Sum("amount_minor"))
        .order_by()
    )
    return {(number, code): int(amount) for number, code, amount in rows}


def _held(network: Network, read: Balances) -> list[Held]:
    """Every operator's place and asset of which anything is or should be there."""
    wallets = list(Wallet.objects.filter(network=network, owner=""))
    place_of = balances.places(wallets)
    deposits: defaultdict[tuple[int, str], int] = defaultdict(int)
    wallet_of = dict(
        DepositAddress.objects.filter(network=network, wallet__owner="").values_list("pk", "wallet")
    )
    for (number, code), amount_minor in read.deposits.items():
        if number in wallet_of:
            deposits[place_of[wallet_of[number]], code] += amount_minor
    elsewhere = {key: amount for key, amount in read.elsewhere.items() if key[0] in place_of}
    books = _by_place(place_of, _ledger(network))
    height = read.position.height
    not_booked = _by_place(
        place_of, _arrivals_not_booked(network, height), leavings.not_booked(network, height)
    )
    not_buried = _by_place(
        place_of, _arrivals_not_buried(network, height), leavings.not_buried(network, height)
    )
    keys = {*deposits, *elsewhere, *books, *not_booked, *not_buried}
    return [
        Held(
            wallet_id=wallet_id,
            asset_code=code,
            deposits_minor=deposits.get((wallet_id, code), 0),
            elsewhere_minor=elsewhere.get((wallet_id, code), 0),
            ledger_minor=books.get((wallet_id, code), 0),
            not_booked_minor=not_booked.get((wallet_id, code), 0),
            not_buried_minor=not_buried.get((wallet_id, code), 0),
        )
        for wallet_id, code in sorted(keys)
    ]


def _by_place(
    place_of: Mapping[int, int], arrived: Amounts, left: Amounts | None = None
) -> dict[tuple[int, str], int]:
    """What arrived less what left, by place; wallets that are not the operator's are left out."""
    sums: defaultdict[tuple[int, str], int] = defaultdict(int)
    for amounts, sign in ((arrived, 1), (left or {}, -1)):
        for (wallet_id, code), amount_minor in amounts.items():
            if wallet_id in place_of:
                sums[place_of[wallet_id], code] += sign * amount_minor
    return dict(sums)


def _ledger(network: Network) -> Amounts:
    """The reserve of each wallet, whatever its source."""
    codes = set(OnChainAsset.objects.filter(network=network).values_list("code", flat=True))
    sums: defaultdict[tuple[int, str], int] = defaultdict(int)
    for holding in holdings():
        number = holding.wallet.removeprefix("w")
        if holding.asset.code in codes and number.isdigit():
            sums[int(number), holding.asset.code] += holding.amount_minor
    return dict(sums)


def _arrivals_not_booked(network: Network, height: int) -> Amounts:
    rows = (
        Transfer.objects.filter(network=network, state=TransferState.MINED, block_height__lte=height)
        .filter(Q(payment__isnull=True) | Q(payment__booked_as=""))
        .values_list("deposit_address__wallet", "asset")
        .annotate(Sum("amount_minor"))
        .order_by()
    )
    return {(wallet_id, code): int(amount) for wallet_id, code, amount in rows}


def _arrivals_not_buried(network: Network, height: int) -> Amounts:
    """Booked, and on the chain not by ``height``. Not what is gone for good: were it counted, its loss would not show."""
    rows = (
        Payment.objects.filter(transfer__network=network)
        .exclude(booked_as="")
        .exclude(transfer__state=TransferState.MINED, transfer__block_height__lte=height)
        # While the change waits to be looked at, the reversal is on its way.
        .exclude(transfer__state=TransferState.GONE, transfer__pending_match=False)
        .values_list("transfer__deposit_address__wallet", "transfer__asset")
        .annotate(Sum("amount_minor"))
        .order_by()
    )
    return {(wallet_id, code): int(amount) for wallet_id, code, amount in rows}
