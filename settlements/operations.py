"""What moved a merchant's account, entry by entry, read from the ledger alone.

Amounts are tiyn. ``net = gross - fee - vat`` holds for every operation but those of direct settlement, which move nothing that
is paid out. The sum of all nets is what the payable moved by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Case, Count, F, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from alatau_pay.fields import MinorAmountField
from merchants.models import Merchant
from settlements.models import Account, AccountKind, JournalEntry, Posting, Side

# Rows that one round trip to the database brings; a period of any length is read with the memory of so many.
ROWS_AT_ONCE = 1000


class OperationKind(StrEnum):
    """What an operation is to the merchant. Each kind has lines of its own in every document."""

    SALE = "sale"
    SALE_REVERSED = "sale_reversed"
    REFUND = "refund"
    CORRECTION = "correction"
    # A payment into the store's own wallet: the operator owes nothing, the merchant owes the fee. So is a correction of nothing
    # but that debt: it was paid, or waived.
    DIRECT = "direct"
    PAYOUT = "payout"
    PAYOUT_BACK = "payout_back"


# A recipe that is not named here is still shown, as a correction: nothing that moves the account is left out.
_KINDS = {
    "payment_settled": OperationKind.SALE,
    "held_accepted": OperationKind.SALE,
    "payment_settled_reversed": OperationKind.SALE_REVERSED,
    "held_accepted_reversed": OperationKind.SALE_REVERSED,
    "payment_refund_due": OperationKind.REFUND,
    "payment_refund_due_reversed": OperationKind.REFUND,
    "direct_settled": OperationKind.DIRECT,
    "direct_settled_reversed": OperationKind.DIRECT,
    "payout_reserved": OperationKind.PAYOUT,
    "payout_cancelled": OperationKind.PAYOUT_BACK,
    "payout_returned": OperationKind.PAYOUT_BACK,
    "payout_reserved_reversed": OperationKind.PAYOUT_BACK,
}
PAYOUT_KINDS = frozenset({OperationKind.PAYOUT, OperationKind.PAYOUT_BACK})
_MERCHANT_KINDS = [AccountKind.PAYABLE, AccountKind.FEE_RECEIVABLE]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry as the merchant sees it; amounts in tiyn, negative where they take something back.

    ``net_tiyn`` is what the payable moved by; ``due_tiyn`` what the merchant owes more (fees of direct settlement).
    ``coin_minor`` smallest units of ``coin_code`` were taken over (negative: given back); "" where no coin moved.
    """

    entry_id: int
    kind: OperationKind
    recipe: str
    reference: str
    description: str
    business_date: date
    posted_at: datetime
    gross_tiyn: int
    fee_tiyn: int
    vat_tiyn: int
    net_tiyn: int
    due_tiyn: int
    coin_code: str
    coin_decimals: int
    coin_minor: int
    # For a reversal: the day of the entry that it undoes.
    reversed_date: date | None


def operations(merchant: Merchant, first: date, last: date) -> Iterator[Operation]:
    """The operations of the business days ``first`` to ``last`` in the order of posting: one query, read in pieces."""
    rows = (
        JournalEntry.objects.filter(pk__in=_touching(merchant, first, last).values("entry_id"))
        .order_by("business_date", "pk")
        .values_list(*_Row._fields[:7])
        .annotate(**_figures(merchant))
    )
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        yield _operation(_Row(*row))


def kind_of(recipe: str) -> OperationKind:
    """What an entry of ``recipe`` is to the merchant whose account it moves."""
    return _KINDS.get(recipe, OperationKind.CORRECTION)


def count_operations(merchant: Merchant, first: date, last: date) -> int:
    """How many operations the business days ``first`` to ``last`` have; read off an index."""
    found = _touching(merchant, first, last).aggregate(count=Count("entry_id", distinct=True))
    return int(found["count"])


def _touching(merchant: Merchant, first: date, last: date) -> QuerySet[Posting]:
    """The postings to the merchant's own accounts."""
    accounts = Account.objects.filter(merchant=merchant, kind__in=_MERCHANT_KINDS)
    return Posting.objects.filter(
        account__in=list(accounts.values_list("pk", flat=True)),
        business_date__gte=first,
        business_date__lte=last,
    )


class _Row(NamedTuple):
    """An entry with what its postings come to; credits less debits, but for ``due``."""

    pk: int
    recipe: str
    reference: str
    description: str
    business_date: date
    posted_at: datetime
    reverses__business_date: date | None
    net: int
    due: int
    fee: int
    vat: int
    coin: int
    coin_code: str | None
    coin_decimals: int | None
    others: int


def _figures(merchant: Merchant) -> dict[str, Sum | Coalesce | Max | Count]:
    theirs = Q(postings__account__merchant=merchant)
    coin = Q(postings__account__kind=AccountKind.POSITION) & ~Q(postings__asset_code="KZT")
    return {
        "net": _credits(theirs & Q(postings__account__kind=AccountKind.PAYABLE)),
        "due": _credits(theirs & Q(postings__account__kind=AccountKind.FEE_RECEIVABLE), sign=-1),
        "fee": _credits(Q(postings__account__kind=AccountKind.FEE_INCOME)),
        "vat": _credits(Q(postings__account__kind=AccountKind.VAT_PAYABLE)),
        "coin": _credits(coin),
        "coin_code": Max("postings__asset_code", filter=coin),
        "coin_decimals": Max("postings__account__asset_decimals", filter=coin),
        "others": Count(
            "postings__account__merchant",
            filter=Q(postings__account__merchant__isnull=False) & ~theirs,
        ),
    }


def _credits(which: Q, *, sign: int = 1) -> Coalesce:
    signed = Case(
        When(postings__side=Side.CREDIT, then=F("postings__amount_minor") * Value(sign)),
        default=F("postings__amount_minor") * Value(-sign),
        output_field=MinorAmountField(),
    )
    total = Sum(signed, filter=which, output_field=MinorAmountField())
    return Coalesce(total, Value(0), output_field=MinorAmountField())


def _operation(row: _Row) -> Operation:
    # A correction between merchants: whose fee it moved cannot be told, so that all of it is a plain correction; and what the
    # officer wrote of it may name the other one.
    fee_tiyn, vat_tiyn = (0, 0) if row.others else (row.fee, row.vat)
    kind = OperationKind.DIRECT if row.due and not row.net else kind_of(row.recipe)
    return Operation(
        entry_id=row.pk,
        kind=kind,
        recipe=row.recipe,
        reference=row.reference,
        description="" if row.others else row.description,
        business_date=row.business_date,
        posted_at=row.posted_at,
        gross_tiyn=0 if kind is OperationKind.DIRECT else row.net + fee_tiyn + vat_tiyn,
        fee_tiyn=fee_tiyn,
        vat_tiyn=vat_tiyn,
        net_tiyn=row.net,
        due_tiyn=row.due,
        coin_code=row.coin_code or "",
        coin_decimals=row.coin_decimals or 0,
        coin_minor=row.coin,
        reversed_date=row.reverses__business_date,
    )
