"""What the pages say in each phase of an invoice. {n} and {m} are confirmations, filled in where the words are shown."""

from __future__ import annotations

from django.utils.translation import gettext as _


def phase_words() -> dict[str, str]:
    """The sentence for each phase, in the language that is active now."""
    return {
        "awaiting": _("Waiting for your payment"),
        "partial": _("Part of it has arrived. Please pay the rest"),
        "closing": _("The time to pay is over. Please do not send anything now"),
        "seen": _("Payment seen. The network is confirming it"),
        "confirming": _("The network is confirming: {n} of {m}"),
        "paid": _("Paid"),
        "expired": _("The time to pay is over"),
        "invalid": _("This invoice is no longer valid"),
    }


def say(phase: str, *, confirmations: int = 0, required: int = 0) -> str:
    """The sentence for ``phase`` with its numbers filled in."""
    return phase_words()[phase].replace("{n}", str(confirmations)).replace("{m}", str(required))


def event_sentences() -> dict[str, str]:
    """What each event of an invoice's history means, in the language that is active now."""
    return {
        "InvoiceCreated": _("Made"),
        "InvoiceReceivedPayment": _("A payment was seen"),
        "InvoiceProcessing": _("Paid in full, being confirmed"),
        "InvoicePaymentSettled": _("A payment was confirmed"),
        "InvoiceSettled": _("Settled"),
        "InvoiceExpired": _("Expired"),
        "InvoiceExpiredPaidPartial": _("Expired, paid in part"),
        "InvoicePaidAfterExpiration": _("Paid after it expired"),
        "InvoiceInvalid": _("Became invalid"),
        "RefundStarted": _("A refund was started"),
        "RefundAddressGiven": _("The buyer gave an address for the refund"),
        "RefundApproved": _("The refund was approved"),
        "RefundBatched": _("The refund was put into a batch"),
        "RefundSending": _("The refund is on its way"),
        "RefundCompleted": _("The refund was sent"),
        "RefundTakenBack": _("The refund's transfer left the chain"),
        "RefundCancelled": _("The refund was called off"),
        "InvoiceReopened": _("Opened again for the rest"),
    }


def source_names() -> dict[str, str]:
    """The rate sources by the names that people know, in the language that is active now."""
    return {
        "binance": "Binance",
        "kraken": "Kraken",
        "coinbase": "Coinbase",
        "coingecko": "CoinGecko",
        "national-bank": _("National Bank of Kazakhstan"),
        "fixed": _("set by hand"),
    }
