"""The month's seals worked out by themselves, out of raw rows: RFC 6962's tree as its text defines it.

Imports nothing of the project.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, timedelta
from typing import Any

ENTRIES = """
    SELECT entry.business_date, entry.idempotency_key, entry.recipe, entry.posted_at, entry.reference, entry.description,
           coalesce(undone.idempotency_key, ''),
           (SELECT json_agg(json_build_array(account.code, line.side, line.amount_minor::text) ORDER BY line.id)
              FROM settlements_posting line JOIN settlements_account account ON account.id = line.account_id
             WHERE line.entry_id = entry.id)
      FROM settlements_journalentry entry
      LEFT JOIN settlements_journalentry undone ON undone.id = entry.reverses_id
     ORDER BY entry.id
"""


def seals(rows: list[tuple[Any, ...]], *, first: date, last: date) -> dict[date, bytes]:
    """The seal of each day from the rows of ``ENTRIES``."""
    before, found = bytes(32), {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        leaves = [leaf(row) for row in rows if row[0] == day]
        before = sha256(b"\x02" + before + day.isoformat().encode() + tree(leaves))
        found[day] = before
    return found


def leaf(row: tuple[Any, ...]) -> bytes:
    """An entry's canonical JSON, hashed as a leaf."""
    day, key, recipe, posted_at, reference, description, reverses, lines = row
    said = {
        "key": key,
        "recipe": recipe,
        "business_date": str(day),
        "posted_at": posted_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "reference": reference,
        "description": description,
        "reverses": reverses,
        "lines": json.loads(lines) if isinstance(lines, str) else lines,
    }
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(b"\x00" + text.encode())


def tree(leaves: list[bytes]) -> bytes:
    """The root: the larger side is the greatest power of two below the number of leaves."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:]))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
