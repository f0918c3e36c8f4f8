"""Entries about to be posted, and the parameters that the database's two functions take for them.

Lists are written here as PostgreSQL writes them: the driver's own writing asks for each item's type, which was half of what
a post cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from settlements.business_day import business_date
from settlements.entry import Entry, Line
from settlements.models import JournalEntry

Parameter = str | int | None
_ENTRY_COLUMNS = [field.attname for field in JournalEntry._meta.concrete_fields]


@dataclass(frozen=True, slots=True)
class Voucher:
    """An entry to be posted: what caused it, the key under which it stands once, and the moment at which it counts."""

    entry: Entry
    idempotency_key: str
    reference: str
    now: datetime
    reverses: JournalEntry | None = None

    @property
    def reverses_id(self) -> int | None:
        """The entry that this one undoes."""
        return None if self.reverses is None else self.reverses.pk


def parameters_of_one(voucher: Voucher) -> list[Parameter]:
    """What ``ledger_post_one`` takes."""
    return [*_scalars(voucher), *_line_lists(voucher.entry.lines)]


def parameters_of_many(vouchers: Sequence[Voucher]) -> list[Parameter]:
    """What ``ledger_post`` takes: lists side by side, and for each line the number of its voucher, from 1."""
    numbered = list(enumerate(vouchers, start=1))
    return [
        *map(_list, zip(*map(_scalars, vouchers), strict=True)),
        _list(len(voucher.entry.lines) for voucher in vouchers),
        _list(number for number, voucher in numbered for _line in voucher.entry.lines),
        *_line_lists([line for voucher in vouchers for line in voucher.entry.lines]),
    ]


def posted_entry(voucher: Voucher, entry_id: int, *, database: str) -> JournalEntry:
    """The row that the database wrote for ``voucher``, without reading it again."""
    values = {
        "id": entry_id,
        "idempotency_key": voucher.idempotency_key,
        "content_sha256": voucher.entry.content_sha256,
        "recipe": voucher.entry.recipe,
        "business_date": business_date(voucher.now),
        "reference": voucher.reference,
        "description": voucher.entry.description,
        "reverses_id": voucher.reverses_id,
        "posted_at": voucher.now,
        "posting_count": len(voucher.entry.lines),
    }
    return JournalEntry.from_db(database, _ENTRY_COLUMNS, [values[column] for column in _ENTRY_COLUMNS])


def _scalars(voucher: Voucher) -> tuple[Parameter, ...]:
    return (
        voucher.idempotency_key,
        f"\\x{voucher.entry.content_sha256.hex()}",
        voucher.entry.recipe,
        business_date(voucher.now).isoformat(),
        voucher.reference,
        voucher.entry.description,
        voucher.reverses_id,
        voucher.now.isoformat(),
    )


def _line_lists(lines: Sequence[Line]) -> tuple[str, str, str]:
    """The lines' account codes, sides and amounts."""
    return (
        _list(line.account.code for line in lines),
        _list(line.side for line in lines),
        _list(line.amount_minor for line in lines),
    )


def _list(values: Iterable[Parameter]) -> str:
    return "{" + ",".join(map(_item, values)) + "}"


def _item(value: Parameter) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "NULL" if value is None else str(value)
