"""What the two sides of each kind of difference are, in words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payments.models import DifferenceKind

_PAYMENT, _LEDGER = _("by the payment"), _("in the ledger")
_BOOKS, _CHAIN = _("by the books"), _("on the chain")
_PAYOUT, _BANK = _("by the payout"), _("in the statement")

SIDES: dict[str, tuple[str | Promise, str | Promise]] = {
    DifferenceKind.PAYMENT_RESERVE: (_PAYMENT, _LEDGER),
    DifferenceKind.PAYMENT_POSITION: (_PAYMENT, _LEDGER),
    DifferenceKind.PAYMENT_COST: (_PAYMENT, _LEDGER),
    DifferenceKind.PAYMENT_HELD: (_PAYMENT, _LEDGER),
    DifferenceKind.PAYMENT_MERCHANT: (_PAYMENT, _LEDGER),
    DifferenceKind.PAYMENT_TRANSFER: (_PAYMENT, _("by the transfer")),
    DifferenceKind.ENTRY_WITHOUT_PAYMENT: (_PAYMENT, _LEDGER),
    DifferenceKind.RECEIVED_SUM: (_("by all payments"), _LEDGER),
    DifferenceKind.HELD_SUM: (_("by all payments"), _LEDGER),
    DifferenceKind.REFUND_SUM: (_("by all refunds"), _LEDGER),
    DifferenceKind.PAYOUT_OWED: (_PAYOUT, _LEDGER),
    DifferenceKind.PAYOUT_RESERVED: (_PAYOUT, _LEDGER),
    DifferenceKind.PAYOUT_PAID: (_PAYOUT, _LEDGER),
    DifferenceKind.ENTRY_WITHOUT_PAYOUT: (_PAYOUT, _LEDGER),
    DifferenceKind.ADDRESS_BALANCE: (_("arrived, as we saw it"), _CHAIN),
    DifferenceKind.PLACE_BALANCE: (_BOOKS, _CHAIN),
    DifferenceKind.PAYOUT_WITHOUT_LINE: (_PAYOUT, _BANK),
    DifferenceKind.LINE_WITHOUT_PAYOUT: (_PAYOUT, _BANK),
    DifferenceKind.PAYOUT_AMOUNT: (_PAYOUT, _BANK),
    DifferenceKind.PAYOUT_OVERDUE: (_PAYOUT, _BANK),
}

# Where the admin shows what a difference is about, by the first part of its subject.
PAGES = {
    "payment": "admin:payments_payment_change",
    "address": "admin:chains_depositaddress_change",
    "wallet": "admin:chains_wallet_change",
    "payout": "admin:settlements_payout_change",
    "line": "admin:settlements_bankstatementline_change",
}
