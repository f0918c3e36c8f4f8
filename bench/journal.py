"""A ledger of a million entries over a year, all of them of one merchant: made by the database itself, in seconds.

The digests and the leaf hashes are worked out in SQL, apart from the program's own code, which has to find them right. Every
trigger and foreign key is off while the rows are made, as only the superuser of a scratch database may have it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from bench import installation

if TYPE_CHECKING:
    from settlements.entry import AccountName

ENTRIES = 1_000_000
DAYS = 365
FIRST_DAY = date(2025, 1, 1)
#: The last day is half over, and not closed.
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
MERCHANT = "benchmerchant"
PAYABLE = f"payable:KZT:{MERCHANT}"

# Coin into the reserve and against the position, tenge to what it cost and to the merchant.
_MADE = f"""
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, base + n AS id, day, coin, gross,
       sha256(convert_to(format(E'payment_settled\\nreserve:BTC:w1.payments D %s\\nposition:BTC C %s'
              '\\nposition:KZT:BTC D %s\\n{PAYABLE} C %s', coin, coin, gross, gross), 'UTF8')) AS digest,
       sha256('\\x00'::bytea || convert_to(format(
              '{{"business_date":"%s","description":"","key":"bench:%s","lines":'
              '[["reserve:BTC:w1.payments","D","%s"],["position:BTC","C","%s"],'
              '["position:KZT:BTC","D","%s"],["{PAYABLE}","C","%s"]],'
              '"posted_at":"%sT07:00:00.000000+00:00","recipe":"payment_settled","reference":"payment:%s","reverses":""}}',
              day, n, coin, coin, gross, gross, day, n), 'UTF8')) AS leaf
  FROM (SELECT n, '{FIRST_DAY}'::date + ((n - 1)::bigint * {2 * DAYS - 1} / {2 * ENTRIES})::integer AS day,
               1000 + n % 9000 AS coin, 100000 + n % 7777 AS gross
          FROM generate_series(1, {ENTRIES}) AS n) figures,
       (SELECT coalesce(max(id), 0) AS base FROM settlements_journalentry) standing
"""
_ENTRIES = """
INSERT INTO settlements_journalentry (id, idempotency_key, content_sha256, recipe, business_date, reference, description,
                                      posted_at, posting_count)
SELECT id, 'bench:' || n, digest, 'payment_settled', day, 'payment:' || n, '', day + time '07:00' AT TIME ZONE 'UTC', 4
  FROM made ORDER BY n
"""
_POSTINGS = """
INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)
SELECT made.id, account.id, day, account.asset_code, line.side,
       CASE WHEN line.number <= 2 THEN coin ELSE gross END
  FROM made
 CROSS JOIN (VALUES (1, 'reserve:BTC:w1.payments', 'D'), (2, 'position:BTC', 'C'),
                    (3, 'position:KZT:BTC', 'D'), (4, %s, 'C')) AS line (number, code, side)
  JOIN settlements_account account USING (code)
 ORDER BY n, line.number
"""
_SEQUENCE = """
SELECT setval(pg_get_serial_sequence('settlements_journalentry', 'id'), max(id)) FROM settlements_journalentry
"""


@cache
def fill() -> None:
    """Make the ledger, once a process, and seal every day but the last."""
    installation.start()
    from django.db import connection, transaction

    _open_accounts()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("SET LOCAL work_mem = '256MB'")
            cursor.execute(_MADE)
            cursor.execute(_ENTRIES)
            cursor.execute(_POSTINGS, [PAYABLE])
            cursor.execute(_SEQUENCE)
            cursor.execute("SELECT day, string_agg(leaf, '' ORDER BY n) FROM made GROUP BY day ORDER BY day")
            leaves = [(day, bytes(joined)) for day, joined in cursor.fetchall()]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE settlements_journalentry, settlements_posting")
    for day, joined in leaves[:-1]:
        _seal(day, joined)


def payable() -> AccountName:
    """The account that has a posting of every entry."""
    from alatau_pay.assets import KZT
    from settlements.entry import AccountName

    return AccountName("payable", KZT, MERCHANT)


def _open_accounts() -> None:
    from merchants.models import Merchant
    from settlements.models import Account

    now = datetime.now().astimezone()
    Merchant.objects.create(
        pk=MERCHANT,
        business_id="990140000385",
        legal_name="Measured",
        iban="KZ84722C000012345678",
        created_at=now,
    )
    for code, asset, decimals, part in [
        ("reserve:BTC:w1.payments", "BTC", 8, "w1.payments"),
        ("position:BTC", "BTC", 8, ""),
        ("position:KZT:BTC", "KZT", 2, "BTC"),
        (PAYABLE, "KZT", 2, ""),
    ]:
        kind = code.partition(":")[0]
        Account.objects.get_or_create(
            code=code,
            defaults={
                "kind": kind,
                "asset_code": asset,
                "asset_decimals": decimals,
                "part": part,
                "merchant_id": MERCHANT if kind == "payable" else None,
                "created_at": now,
            },
        )


def _seal(day: date, joined: bytes) -> None:
    """Close ``day`` and seal it over the leaves that SQL worked out; the database writes the closing balances."""
    from settlements import days, seal
    from settlements.models import DaySeal

    now = datetime.now().astimezone()
    days.close(day, now=now)
    hashes = seal.split_hashes(joined)
    before = DaySeal.objects.order_by("-day_id").first()
    root = seal.root_of(hashes)
    DaySeal.objects.create(
        day_id=day,
        entry_count=len(hashes),
        root=root,
        seal=seal.seal_of(previous=bytes(before.seal) if before else seal.NO_SEAL, day=day, root=root),
        leaf_hashes=joined,
        sealed_at=now,
    )
