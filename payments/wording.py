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
    }
