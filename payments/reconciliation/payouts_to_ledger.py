"""The payouts against the ledger: what was taken from the merchant for each, set aside, and paid by the bank.

A payout is only written together with its entries, and the database holds that at the moment of writing. An entry of today that
is taken away behind its back leaves every balance sound and is under no seal yet: the payout that stands without it tells.
"""

from __future__ import annotations

from django.db import connection

from payments.models import DifferenceKind
from payments.reconciliation.findings import Compared, Finding
from settlements.models import Payout

SCOPE = "ledger:payouts"

# All entries of a payout taken together: reserved, completed, cancelled or returned. By the reference and not by the keys, so
# that an entry posted twice shows as well. A correction has a reference of its own.
_BY_PAYOUT = """
WITH posted AS (
    SELECT entry.reference, account.kind, account.merchant_id,
           CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END AS signed
      FROM settlements_journalentry entry
      JOIN settlements_posting posting ON posting.entry_id = entry.id
      JOIN settlements_account account ON account.id = posting.account_id
     WHERE entry.reference LIKE 'payout:%'
), stands AS (
    SELECT payout.id, payout.status, payout.amount_tiyn,
           coalesce(sum(signed) FILTER (WHERE kind = 'payable' AND posted.merchant_id = payout.merchant_id), 0) AS owed,
           coalesce(-sum(signed) FILTER (WHERE kind = 'payout'), 0) AS reserved,
           coalesce(-sum(signed) FILTER (WHERE kind = 'bank'), 0) AS paid
      FROM settlements_payout payout LEFT JOIN posted ON posted.reference = 'payout:' || payout.id
     GROUP BY payout.id
)
SELECT figure.* FROM stands CROSS JOIN LATERAL (VALUES
       ('payout_owed', id, CASE status WHEN 'Cancelled' THEN 0 ELSE amount_tiyn END, owed),
       ('payout_reserved', id, CASE WHEN status IN ('Completed', 'Cancelled') THEN 0 ELSE amount_tiyn END, reserved),
       ('payout_paid', id, CASE status WHEN 'Completed' THEN amount_tiyn ELSE 0 END, paid)
       ) AS figure (kind, id, due_tiyn, stands_tiyn)
 WHERE due_tiyn <> stands_tiyn ORDER BY id, kind
"""

_WITHOUT_PAYOUT = """
SELECT entry.reference, max(posting.amount_minor), string_agg(DISTINCT entry.recipe, ', ')
  FROM settlements_journalentry entry
  JOIN settlements_posting posting ON posting.entry_id = entry.id
  LEFT JOIN settlements_payout payout ON entry.reference = 'payout:' || payout.id
 WHERE entry.reference LIKE 'payout:%' AND payout.id IS NULL
 GROUP BY entry.reference ORDER BY entry.reference
"""


def compare() -> Compared:
    """Every payout, as the caller's database transaction sees it; writes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_PAYOUT)
        findings = [
            Finding(kind, f"payout:{number}", int(due), int(stands))
            for kind, number, due, stands in cursor.fetchall()
        ]
        cursor.execute(_WITHOUT_PAYOUT)
        findings += [
            Finding(DifferenceKind.ENTRY_WITHOUT_PAYOUT, reference, None, int(amount), detail=recipes[:300])
            for reference, amount, recipes in cursor.fetchall()
        ]
    return Compared(SCOPE, Payout.objects.count(), findings)
