"""What frames the entries: account names, closed days, closing balances, reversals, and the rules that guard all of it.

Days and seals prove the entries by themselves. Here is what stands around them, and would let a figure be read wrong although
every entry is what was posted: each is looked for once, by a statement over the whole ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from settlements.verification_days import FINDINGS_PER_DAY_MAX
from settlements.verification_reader import WITHIN_CALENDAR

Reading = psycopg.Connection[tuple[Any, ...]]

# Bits of pg_trigger.tgtype.
_EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
_GUARDED = {
    "settlements_account": ("UPDATE", "DELETE", "TRUNCATE"),
    "settlements_journalentry": tuple(_EVENTS),
    "settlements_posting": tuple(_EVENTS),
    "settlements_closedday": tuple(_EVENTS),
    "settlements_dayseal": tuple(_EVENTS),
    "settlements_closingbalance": tuple(_EVENTS),
}

_BEYOND_THE_CALENDAR = f"""
SELECT id, idempotency_key, business_date::text, posted_at::text FROM settlements_journalentry entry
 WHERE NOT ({WITHIN_CALENDAR}) ORDER BY id LIMIT {FINDINGS_PER_DAY_MAX}
"""  # noqa: S608 - composed of constants


def findings(reading: Reading, *, posting_count: int) -> Iterator[str]:
    """What is wrong, in sentences. ``posting_count``: the postings that were read with their entries."""
    yield from _beyond_the_calendar(reading)
    yield from _lost_postings(reading, posting_count)
    yield from _crooked_reversals(reading)
    yield from _misnamed_accounts(reading)
    yield from _crooked_days(reading)
    yield from _sleeping_rules(reading)


def _beyond_the_calendar(reading: Reading) -> Iterator[str]:
    """Entries of days that no seal will ever reach, though balances count them."""
    rows = reading.execute(_BEYOND_THE_CALENDAR)
    for entry_id, key, day, moment in rows:
        yield f"entry {entry_id} ({key}) counts on {day} and was posted at {moment}: beyond every calendar"


def _lost_postings(reading: Reading, seen: int) -> Iterator[str]:
    [(count,)] = reading.execute("SELECT count(*) FROM settlements_posting").fetchall()
    if count == seen:
        return
    lost = reading.execute(
        "SELECT entry_id, count(*) FROM settlements_posting line WHERE NOT EXISTS"
        " (SELECT 1 FROM settlements_journalentry entry WHERE entry.id = line.entry_id)"
        " GROUP BY entry_id ORDER BY entry_id LIMIT %s",
        [FINDINGS_PER_DAY_MAX],
    )
    for entry_id, lines in lost:
        yield f"entry {entry_id} is gone, {lines} of its postings are still there"


def _crooked_reversals(reading: Reading) -> Iterator[str]:
    """Reversals that do not undo their entry line by line."""
    rows = reading.execute(
        """
        WITH line AS (
            SELECT entry.id, entry.reverses_id, posting.account_id, posting.amount_minor, posting.side,
                   row_number() OVER (PARTITION BY entry.id ORDER BY posting.id) AS number
              FROM settlements_journalentry entry JOIN settlements_posting posting ON posting.entry_id = entry.id
             WHERE entry.reverses_id IS NOT NULL
                OR entry.id IN (SELECT reverses_id FROM settlements_journalentry WHERE reverses_id IS NOT NULL))
        SELECT DISTINCT coalesce(undoing.id, undone.back_id) AS id
          FROM (SELECT * FROM line WHERE reverses_id IS NOT NULL) undoing
          FULL JOIN (SELECT line.*, back.id AS back_id FROM line
                       JOIN settlements_journalentry back ON back.reverses_id = line.id) undone
            ON undone.back_id = undoing.id AND undone.number = undoing.number
         WHERE undoing.id IS NULL OR undone.id IS NULL OR undone.account_id <> undoing.account_id
            OR undone.amount_minor <> undoing.amount_minor OR undone.side = undoing.side
         ORDER BY id
        """
    )
    for (entry_id,) in rows:
        yield f"entry {entry_id} is a reversal, but does not undo its entry line by line"
    untied = reading.execute(
        "SELECT undoing.id FROM settlements_journalentry undoing"
        "  LEFT JOIN settlements_journalentry undone ON undone.id = undoing.reverses_id"
        " WHERE (undoing.reverses_id IS NOT NULL OR right(undoing.recipe, 9) = '_reversed')"
        "   AND undoing.recipe IS DISTINCT FROM undone.recipe || '_reversed' ORDER BY undoing.id"
    )
    for (entry_id,) in untied:
        yield f"entry {entry_id} is a reversal by its recipe or by its reference alone, not by both"


def _misnamed_accounts(reading: Reading) -> Iterator[str]:
    """Accounts whose columns say other than their codes: entries are sealed by code, registers read by merchant and kind."""
    misnamed = reading.execute(
        "SELECT code, kind, asset_code, merchant_id, part FROM settlements_account"
        " WHERE code <> concat_ws(':', kind, asset_code, nullif(merchant_id, ''), nullif(part, '')) ORDER BY code"
    )
    for code, *columns in misnamed:
        yield f"account {code} is kept as another one: {', '.join(filter(None, columns))}"
    unlike = reading.execute(
        "SELECT asset_code, string_agg(DISTINCT asset_decimals::text, ', ') FROM settlements_account GROUP BY asset_code"
        " HAVING min(asset_decimals) <> max(asset_decimals) OR asset_code = 'KZT' AND min(asset_decimals) <> 2"
        " ORDER BY asset_code"
    )
    for asset, decimals in unlike:
        yield f"accounts in {asset} are kept with {decimals} decimals"


def _crooked_days(reading: Reading) -> Iterator[str]:
    """Closed days that are not one after another, seals of days that are open, and closing balances that no seal vouches for."""
    broken = reading.execute(
        "SELECT coalesce(closed.day, sealed.day_id)::text, closed.day IS NULL,"
        "       closed.day > min(closed.day) OVER () AND NOT EXISTS"
        "       (SELECT 1 FROM settlements_closedday before WHERE before.day = closed.day - 1),"
        "       closed.day >= (closed.closed_at AT TIME ZONE 'Asia/Almaty')::date"
        "  FROM settlements_closedday closed FULL JOIN settlements_dayseal sealed ON sealed.day_id = closed.day ORDER BY 1"
    )
    for day, is_open, is_apart, is_early in broken:
        if is_open:
            yield f"{day}: sealed, and not closed: it takes entries"
        if is_apart:
            yield f"{day}: closed, and the day before is not"
        if is_early:
            yield f"{day}: closed before it was over"
    unsealed = reading.execute(
        "SELECT day_id::text, count(*) FROM settlements_closingbalance closing WHERE NOT EXISTS"
        " (SELECT 1 FROM settlements_dayseal sealed WHERE sealed.day_id = closing.day_id) GROUP BY day_id ORDER BY day_id"
    )
    for day, count in unsealed:
        yield f"{day}: {count} closing balances of a day that has no seal"


def _sleeping_rules(reading: Reading) -> Iterator[str]:
    """Triggers that were switched off or taken away, and stayed so: nothing guards what is posted from here on."""
    asleep = reading.execute(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled NOT IN ('O', 'A')"
        " AND tgrelid = ANY (%s::regclass[]) ORDER BY 1, 2",
        [list(_GUARDED)],
    )
    for table, trigger in asleep:
        yield f"{table}: the rule {trigger} is switched off"
    guards = reading.execute(
        "SELECT tgrelid::regclass::text, bit_or(tgtype)::integer FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid = ANY (%s::regclass[]) GROUP BY tgrelid",
        [list(_GUARDED)],
    )
    guarded: dict[str, int] = dict(guards.fetchall())
    for table, events in _GUARDED.items():
        for event in events:
            if not guarded.get(table, 0) & _EVENTS[event]:
                yield f"{table}: no rule guards it against {event}"
