"""What the pages say of refunds: states to a resident, and the reasons why something was refused, in the page's language."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext as _

# Every sentence that a verb may refuse with, so that the catalogues have them; said by ``refusal``.
REFUSALS = (
    gettext_noop("this is too long to be an address"),
    gettext_noop("a SegWit address is in small letters or in capitals, never in both"),
    gettext_noop("this is not an address: a character is wrong"),
    gettext_noop("this is not an address of this network, or a character is wrong"),
    gettext_noop("this is an address of another network"),
    gettext_noop("The receiver is not an address: 0x and 40 digits."),
    gettext_noop(
        "The receiver's address has a wrong checksum (letter case): a character is wrong. Copy it again."
    ),
    gettext_noop("The receiver cannot be the zero address."),
    gettext_noop("this is an address of Alatau Pay itself: give one of your own wallet"),
    gettext_noop("this is the address of a token's contract, not of a wallet: nothing sent there comes back"),
    gettext_noop("never more goes back than came: the amount is not within what is left of the payment"),
    gettext_noop("never more goes back than came: other refunds of this payment stand already"),
    gettext_noop("this is less than the smallest unit of the coin"),
    gettext_noop("this is less than the network carries"),
    gettext_noop("money goes back within 365 days of its payment"),
    gettext_noop("giving this money back was asked for already"),
    gettext_noop("nothing of this payment is held"),
    gettext_noop("somebody decided about this payment already"),
    gettext_noop("the payment was attached to another invoice at this moment"),
    gettext_noop("what is held of the payment has changed: call this off and start anew"),
    gettext_noop("the payment is not credited to the store as it was: call this off and start anew"),
    gettext_noop(
        "the store is owed less at the moment than this refund costs it: approve it after the next sales"
    ),
    gettext_noop("it is in a batch that may have been signed: the batch has to be discarded first"),
    gettext_noop("the invoice can still be paid: what was sent for it counts"),
    gettext_noop("only an invoice whose time is over can be opened again"),
    gettext_noop("the store does not wait for this invoice any more"),
    gettext_noop("this invoice was opened too often"),
    gettext_noop("nothing that counts has been paid"),
    gettext_noop("its money goes back, or was decided about already"),
    gettext_noop("none of its assets can be paid with at the moment"),
    gettext_noop("the state of this refund has changed meanwhile: look at it again"),
)


def refusal(error: Exception) -> str:
    """Why a verb refused, as a sentence in the language that is active now."""
    text = gettext(str(error))
    sentence = text[:1].upper() + text[1:]
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def state_words(status: str) -> str:
    """Where a refund stands, said to the resident."""
    return {
        "AwaitingAddress": _("The store gives money back to you. Where should it go?"),
        "AwaitingApproval": _("The store has your address and looks at it"),
        "Approved": _("Approved. The money will be sent"),
        "Sending": _("The money is on its way"),
        "Completed": _("The money was sent"),
        "Cancelled": _("This refund was called off"),
    }[status]
