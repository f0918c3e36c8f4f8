"""The ledger against the payments: each payment's standing figures, and the sums per asset.

Everything is asked of the ledger's postings themselves and not of what a payment remembers of them, so that an entry posted
twice, reversed beside the booking or posted under another payment's name shows.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from alatau_pay.assets import KZT, Asset
from chains.models import OnChainAsset
from payments.models import DifferenceKind, Payment
from payments.reconciliation.findings import Compared, Finding

SCOPE = "ledger"

# For every payment what should stand and what does, all its entries and their reversals taken together; only where they differ.
# A standing decision moves held coins on: to the merchant, or to what is due to residents. That coins came in is told by the
# payment's status and not by what it remembers of its booking: a settled payment that nobody booked has to show.
_BY_PAYMENT = """
WITH posted AS (
    SELECT entry.reference, posting.asset_code, account.kind, account.part, account.merchant_id,
           CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END AS signed
      FROM settlements_journalentry entry
      JOIN settlements_posting posting ON posting.entry_id = entry.id
      JOIN settlements_account account ON account.id = posting.account_id
     WHERE entry.reference LIKE 'payment:%%'
), decided AS (
    SELECT payment_id, sum(amount_minor) AS minor,
           sum(amount_minor) FILTER (WHERE kind = 'Accept') AS accepted_minor,
           sum(value_tiyn) FILTER (WHERE kind = 'Accept') AS accepted_tiyn
      FROM payments_helddecision
     WHERE reversed_at IS NULL AND kind IN ('Accept', 'Refund')
     GROUP BY payment_id
), due AS (
    SELECT payment.id, transfer.asset_id, store.merchant_id,
           'payment:' || payment.id AS reference,
           'w' || address.wallet_id || '.payments' AS part,
           payment.amount_minor, transfer.amount_minor AS transfer_minor,
           CASE payment.status WHEN 'Settled' THEN payment.amount_minor ELSE 0 END AS received,
           coalesce(nullif(split_part(payment.booked_as, ':', 2), ''), '0')::numeric AS credited,
           coalesce(nullif(split_part(payment.booked_as, ':', 3), ''), '0')::numeric AS tiyn,
           coalesce(decided.minor, 0) AS decided,
           coalesce(decided.accepted_minor, 0) AS accepted,
           coalesce(decided.accepted_tiyn, 0) AS accepted_tiyn
      FROM payments_payment payment
      JOIN payments_invoice invoice ON invoice.id = payment.invoice_id
      JOIN merchants_store store ON store.id = invoice.store_id
      JOIN chains_transfer transfer ON transfer.id = payment.transfer_id
      JOIN chains_depositaddress address ON address.id = transfer.deposit_address_id
      LEFT JOIN decided ON decided.payment_id = payment.id
), stands AS (
    SELECT due.id,
           coalesce(sum(signed) FILTER (WHERE kind = 'reserve' AND posted.part = due.part
                                          AND posted.asset_code = due.asset_id), 0) AS received,
           coalesce(-sum(signed) FILTER (WHERE kind = 'position' AND posted.asset_code = due.asset_id), 0) AS credited,
           coalesce(sum(signed) FILTER (WHERE kind = 'position' AND posted.asset_code = 'KZT'
                                          AND posted.part = due.asset_id), 0) AS tiyn,
           coalesce(-sum(signed) FILTER (WHERE kind IN ('held', 'screened')
                                           AND posted.asset_code = due.asset_id), 0) AS held,
           coalesce(-sum(signed) FILTER (WHERE posted.merchant_id <> due.merchant_id), 0) AS elsewhere
      FROM due LEFT JOIN posted ON posted.reference = due.reference
     GROUP BY due.id
), compared AS (
    SELECT due.id, due.asset_id, figure.*
      FROM due JOIN stands USING (id)
      CROSS JOIN LATERAL (VALUES
           ('payment_transfer', due.amount_minor, due.transfer_minor),
           ('payment_reserve', due.received, stands.received),
           ('payment_position', due.credited + due.accepted, stands.credited),
           ('payment_cost', due.tiyn + due.accepted_tiyn, stands.tiyn),
           ('payment_held', due.received - due.credited - due.decided, stands.held),
           ('payment_merchant', 0, stands.elsewhere)
      ) AS figure (kind, due_minor, stands_minor)
)
SELECT kind, id, asset_id, due_minor, stands_minor FROM compared WHERE due_minor <> stands_minor ORDER BY id, kind
"""
_OF_TENGE = frozenset({DifferenceKind.PAYMENT_COST.value, DifferenceKind.PAYMENT_MERCHANT.value})

_WITHOUT_PAYMENT = """
SELECT entry.reference, posting.asset_code, account.asset_decimals, entry.recipe, max(posting.amount_minor)
  FROM settlements_journalentry entry
  JOIN settlements_posting posting ON posting.entry_id = entry.id AND posting.side = 'D'
  JOIN settlements_account account ON account.id = posting.account_id
  LEFT JOIN payments_payment payment ON entry.reference = 'payment:' || payment.id
 WHERE entry.reference LIKE 'payment:%%' AND payment.id IS NULL
 GROUP BY entry.id, entry.reference, posting.asset_code, account.asset_decimals
 ORDER BY entry.id, posting.asset_code
"""

# By the recipes that take in payments and not by the entries' references, so that it is another way to the same figure.
_RECEIVED = """
SELECT asset.code,
       (SELECT coalesce(sum(payment.amount_minor), 0) FROM payments_payment payment
          JOIN chains_transfer transfer ON transfer.id = payment.transfer_id
         WHERE transfer.asset_id = asset.code AND payment.status = 'Settled'),
       (SELECT coalesce(sum(CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END), 0)
          FROM settlements_account account
          JOIN settlements_posting posting ON posting.account_id = account.id
          JOIN settlements_journalentry entry ON entry.id = posting.entry_id
         WHERE account.kind = 'reserve' AND account.asset_code = asset.code
           AND regexp_replace(entry.recipe, '_reversed$', '')
               IN ('payment_settled', 'payment_held', 'payment_screened'))
  FROM chains_onchainasset asset ORDER BY asset.code
"""

_ON_ACCOUNTS = """
(SELECT coalesce(-sum(CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END), 0)
   FROM settlements_account account JOIN settlements_posting posting ON posting.account_id = account.id
  WHERE account.kind = ANY(%s) AND account.asset_code = asset.code)
"""

_HELD = f"""
SELECT asset.code,
       (SELECT coalesce(sum(payment.held_minor - coalesce(decided.minor, 0)), 0)
          FROM payments_payment payment
          JOIN chains_transfer transfer ON transfer.id = payment.transfer_id
          LEFT JOIN (SELECT payment_id, sum(amount_minor) AS minor FROM payments_helddecision
                      WHERE reversed_at IS NULL AND kind IN ('Accept', 'Refund') GROUP BY payment_id) decided
                 ON decided.payment_id = payment.id
         WHERE transfer.asset_id = asset.code), {_ON_ACCOUNTS}
  FROM chains_onchainasset asset ORDER BY asset.code
"""  # noqa: S608 - composed of the constants above

# Due to a resident: approved and not sent yet; or decided about held money for which no refund was begun.
_REFUNDS = f"""
SELECT asset.code,
       (SELECT coalesce(sum(refund.amount_minor), 0) FROM payments_refund refund
          JOIN payments_payment payment ON payment.id = refund.payment_id
          JOIN chains_transfer transfer ON transfer.id = payment.transfer_id
         WHERE transfer.asset_id = asset.code AND refund.status <> 'Cancelled'
           AND refund.due_entry_id IS NOT NULL AND refund.sent_entry_id IS NULL)
     + (SELECT coalesce(sum(decision.amount_minor), 0) FROM payments_helddecision decision
          JOIN payments_payment payment ON payment.id = decision.payment_id
          JOIN chains_transfer transfer ON transfer.id = payment.transfer_id
         WHERE transfer.asset_id = asset.code AND decision.kind = 'Refund' AND decision.reversed_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM payments_refund refund
                            WHERE refund.held_decision_id = decision.id AND refund.status <> 'Cancelled')),
       {_ON_ACCOUNTS}
  FROM chains_onchainasset asset ORDER BY asset.code
"""  # noqa: S608 - composed of the constants above


def compare() -> Compared:
    """Every payment and every asset, as the caller's database transaction sees them; writes nothing."""
    assets = {row.code: row.asset for row in OnChainAsset.objects.all()}
    findings = [
        Finding(kind, f"payment:{number}", int(due), int(stands), KZT if kind in _OF_TENGE else assets[code])
        for kind, number, code, due, stands in _rows(_BY_PAYMENT)
    ]
    findings += [
        Finding(
            DifferenceKind.ENTRY_WITHOUT_PAYMENT,
            reference,
            None,
            int(amount),
            Asset(code, code, decimals),
            detail=recipe,
        )
        for reference, code, decimals, recipe, amount in _rows(_WITHOUT_PAYMENT)
    ]
    findings += _sums(DifferenceKind.RECEIVED_SUM, _rows(_RECEIVED), assets)
    findings += _sums(DifferenceKind.HELD_SUM, _rows(_HELD, [["held", "screened"]]), assets)
    findings += _sums(DifferenceKind.REFUND_SUM, _rows(_REFUNDS, [["refund"]]), assets)
    return Compared(SCOPE, Payment.objects.count() + len(assets), _one_of_each(findings))


def _sums(kind: DifferenceKind, rows: list[tuple[Any, ...]], assets: dict[str, Asset]) -> list[Finding]:
    return [
        Finding(kind, f"asset:{code}", int(due), int(stands), assets[code])
        for code, due, stands in rows
        if due != stands
    ]


def _one_of_each(findings: list[Finding]) -> list[Finding]:
    """One finding for each kind, subject and asset: several entries without a payment are told of by their largest."""
    by_key: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        key = (finding.kind, finding.subject, finding.asset.code)
        known = by_key.get(key)
        if known is None or (finding.right_minor or 0) > (known.right_minor or 0):
            by_key[key] = finding
    return list(by_key.values())


def _rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or [])
        return list(cursor.fetchall())
