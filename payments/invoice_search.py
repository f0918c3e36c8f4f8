"""Finding a store's invoices: by what a person has in hand (a number, an amount, a txid, an address), by status and by day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from merchants.models import Store
from payments.models import Invoice, InvoiceStatus
from payments.sale_form import parse_typed_amount

PAGE_ROWS = 50
_TXID = re.compile(r"^(?:0x)?([0-9a-f]{64})$", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(
    r"^(?:0x[0-9a-fA-F]{40}|(?:bc|tb|bcrt)1[0-9a-z]{8,87}|[13mn2][1-9A-HJ-NP-Za-km-z]{25,34})$", re.ASCII
)
_CURSOR = re.compile(r"^(\d{1,18})-([A-Za-z0-9]{1,32})$", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first, and the cursor of the rows after them (empty when these are the last)."""

    rows: list[Invoice]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Over everything that was found, not only the page. Amounts in tiyn."""

    count: int
    asked_tiyn: int
    settled_count: int
    settled_tiyn: int


def found(
    store: Store, *, text: str, status: str, first_day: date | None, last_day: date | None
) -> QuerySet[Invoice]:
    """The store's invoices that match everything given; an empty value leaves its question open."""
    invoices = Invoice.objects.filter(store=store, archived=False)
    if text:
        invoices = invoices.filter(_matching(text.strip()))
    if status:
        invoices = invoices.filter(status=status)
    if first_day:
        invoices = invoices.filter(created_at__gte=_midnight(first_day))
    if last_day:
        invoices = invoices.filter(created_at__lt=_midnight(last_day + timedelta(days=1)))
    return invoices


def page_of(invoices: QuerySet[Invoice], *, cursor: str) -> Page:
    """The rows after ``cursor``. Reading on costs the same on the thousandth page as on the second; a bad cursor starts anew."""
    if position := _position(cursor):
        at, pk = position
        invoices = invoices.filter(Q(created_at__lt=at) | Q(created_at=at, pk__gt=pk))
    rows = list(invoices.order_by("-created_at", "id")[: PAGE_ROWS + 1])
    more = len(rows) > PAGE_ROWS
    return Page(rows=rows[:PAGE_ROWS], next_cursor=_cursor(rows[PAGE_ROWS - 1]) if more else "")


def totals_of(invoices: QuerySet[Invoice]) -> Totals:
    """How many were found and what they come to."""
    settled = Q(status=InvoiceStatus.SETTLED)
    return Totals(
        **invoices.order_by().aggregate(
            count=Count("pk"),
            asked_tiyn=Sum("amount_tiyn", default=0),
            settled_count=Count("pk", filter=settled),
            settled_tiyn=Sum("amount_tiyn", filter=settled, default=0),
        )
    )


def _matching(text: str) -> Q:
    """What the text can mean by its shape: a txid and an address mean one thing, anything else is a number or a name."""
    if match := _TXID.match(text):
        return Q(pk__in=_holding(payments__transfer__txid=bytes.fromhex(match.group(1))))
    if _ADDRESS.match(text):
        return Q(pk__in=_holding(quotes__deposit_address__address__iexact=text))
    question = (
        Q(pk=text)
        | Q(order_id__iexact=text)
        | Q(search_terms__icontains=text)
        | Q(description__icontains=text)
    )
    try:
        return question | Q(amount_tiyn=parse_typed_amount(text))
    except forms.ValidationError:
        return question


def _holding(**question: object) -> QuerySet[Invoice, Any]:
    return Invoice.objects.filter(**question).values("pk")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())


def _cursor(invoice: Invoice) -> str:
    # Whole microseconds, as the database keeps them: a float would lose the last digit.
    return f"{(invoice.created_at - _EPOCH) // timedelta(microseconds=1)}-{invoice.pk}"


def _position(cursor: str) -> tuple[datetime, str] | None:
    match = _CURSOR.match(cursor)
    if match is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(match.group(1))), match.group(2)
    except OverflowError:
        return None
