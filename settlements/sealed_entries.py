"""Reading entries as they are sealed: each with all its lines, by day and id.

The one reader for sealing, proving and verifying. It knows no Django, since verifying reads by several processes of its own. An
entry without lines, and a line without an account, still come: who verifies must see what is wrong.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from settlements.seal import LeafEntry

# Lines are put together by the database: one row an entry, each line "account code, side, amount" with spaces between. What is
# asked for each row alone (LIMIT 1, sub-select) is looked up by its key, and never by reading a whole table beside it.
ENTRIES = """
SELECT entry.id, entry.idempotency_key, entry.content_sha256, entry.recipe, entry.business_date, entry.posted_at,
       entry.reference, entry.description, entry.posting_count,
       (SELECT undone.idempotency_key FROM settlements_journalentry undone WHERE undone.id = entry.reverses_id),
       lines.text, lines.repeats_truly
  FROM settlements_journalentry entry
  LEFT JOIN LATERAL (
       SELECT string_agg(coalesce(account.code, '?') || ' ' || line.side || ' ' || line.amount_minor, E'\\n' ORDER BY line.id)
                  AS text,
              bool_and(line.asset_code = account.asset_code AND line.business_date = entry.business_date) AS repeats_truly
         FROM settlements_posting line
         LEFT JOIN LATERAL (
              SELECT code, asset_code FROM settlements_account WHERE id = line.account_id LIMIT 1) account ON true
        WHERE line.entry_id = entry.id) lines ON true
"""
ENTRIES_OF_DAY = f"{ENTRIES} WHERE entry.business_date = %s ORDER BY entry.id"
ENTRY = f"{ENTRIES} WHERE entry.id = %s"


class EntryRow(NamedTuple):
    """An entry as it stands in the tables. ``lines`` is a text of "code side amount", one line each, or None without any.

    ``repeats_truly``: every line names its account's asset and its entry's day.
    """

    id: int
    idempotency_key: str
    content_sha256: bytes
    recipe: str
    business_date: date
    posted_at: datetime
    reference: str
    description: str
    posting_count: int
    reverses: str | None
    lines: str | None
    repeats_truly: bool | None

    @property
    def leaf_entry(self) -> LeafEntry:
        """What is sealed of it.

        Raises:
            ValueError: a line is not an account's code, a side and an amount.
        """
        return LeafEntry(
            idempotency_key=self.idempotency_key,
            recipe=self.recipe,
            business_date=self.business_date,
            posted_at=self.posted_at,
            reference=self.reference,
            description=self.description,
            reverses=self.reverses or "",
            lines=tuple([_split(line) for line in self.lines.split("\n")]) if self.lines else (),
        )


def _split(line: str) -> tuple[str, str, str]:
    code, side, amount = line.rsplit(" ", 2)
    return code, side, amount
