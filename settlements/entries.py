"""Recipes: the journal entries that this program can make, as pure functions from figures to balanced lines.

Amounts are smallest units (satoshi, wei, tiyn). An entry balances per asset; where it crosses from a coin to tenge, the
exchange position carries the two sides: the coin's own account says how much of it is the operator's against tenge, and
the tenge account of that coin ("position:KZT:BTC") says what it cost. So the reserve and its cost are read from the ledger.

Rounding is done by the caller and named at each recipe. What a merchant is owed is always the gross less what the fee's
and the VAT's own postings show: no rounding takes a tiyn from a merchant without a posting.
"""

from __future__ import annotations

from collections.abc import Iterable

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import divide_half_up
from settlements.entry import CREDIT, DEBIT, AccountName, Entry, EntryRefused, Line, entry_of
from settlements.fee_terms import NO_FEE, Fee

PAYMENTS = "payments"


def reserve(coin: Asset, wallet: str, source: str = PAYMENTS) -> AccountName:
    """The reserve account of a coin that lies in ``wallet`` ("w7"; "" where nobody knows) and came from ``source``."""
    return AccountName("reserve", coin, part=f"{wallet}.{source}" if wallet else source)


def position(coin: Asset) -> AccountName:
    """How much of ``coin`` is the operator's against tenge (a credit balance)."""
    return AccountName("position", coin)


def position_cost(coin: Asset) -> AccountName:
    """What the operator's ``coin`` cost in tenge (a debit balance)."""
    return AccountName("position", KZT, part=coin.code)


def payable(merchant_id: str) -> AccountName:
    """What the operator owes a merchant in tenge (a credit balance)."""
    return AccountName("payable", KZT, merchant_id)


def payment_settled(
    *,
    merchant_id: str,
    coin: Asset,
    wallet: str,
    received_minor: int,
    credited_minor: int,
    gross_tiyn: int,
    fee: Fee,
) -> Entry:
    """A confirmed payment that counts: the merchant is owed ``gross_tiyn`` less fee and VAT.

    ``credited_minor`` of the ``received_minor`` became the operator's against tenge; the rest, an excess, is held for the
    resident. Where the store keeps an excess, all is credited and ``gross_tiyn`` includes its value. Rounding: the fee and
    its VAT half up to a tiyn each, shown by their own postings; the merchant gets exactly what is left.
    """
    if not 0 < credited_minor <= received_minor:
        raise EntryRefused("what is credited lies between nothing and what was received")
    return entry_of(
        "payment_settled",
        (reserve(coin, wallet), DEBIT, received_minor),
        (position(coin), CREDIT, credited_minor),
        (AccountName("held", coin), CREDIT, received_minor - credited_minor),
        *_owed(merchant_id, coin, gross_tiyn=gross_tiyn, fee=fee),
    )


def payment_held(*, coin: Asset, wallet: str, received_minor: int) -> Entry:
    """Confirmed money that no invoice may take (late, partial, excess): the operator has it and owes it back. No rounding."""
    return entry_of(
        "payment_held",
        (reserve(coin, wallet), DEBIT, received_minor),
        (AccountName("held", coin), CREDIT, received_minor),
    )


def payment_screened(*, coin: Asset, wallet: str, received_minor: int) -> Entry:
    """Confirmed money that screening stopped: in the reserve, and nobody's until it is released or given up. No rounding."""
    return entry_of(
        "payment_screened",
        (reserve(coin, wallet), DEBIT, received_minor),
        (AccountName("screened", coin), CREDIT, received_minor),
    )


def screened_released(*, coin: Asset, released_minor: int) -> Entry:
    """Screened money that was found clean: held for the resident like other held money. No rounding."""
    return entry_of(
        "screened_released",
        (AccountName("screened", coin), DEBIT, released_minor),
        (AccountName("held", coin), CREDIT, released_minor),
    )


def held_accepted(*, merchant_id: str, coin: Asset, accepted_minor: int, gross_tiyn: int, fee: Fee) -> Entry:
    """Held money (partial, late, excess) that a person accepted for the merchant.

    ``gross_tiyn`` is its value at the rate of the quote or of now, as was decided. Rounding: the caller rounds the value down
    to a tiyn; what is less than a tiyn was never tenge, and stays in the coin's position.
    """
    return entry_of(
        "held_accepted",
        (AccountName("held", coin), DEBIT, accepted_minor),
        (position(coin), CREDIT, accepted_minor),
        *_owed(merchant_id, coin, gross_tiyn=gross_tiyn, fee=fee),
    )


def held_refund_due(*, coin: Asset, refunded_minor: int) -> Entry:
    """Held money that a person decided to give back: owed to the resident until it is sent. No rounding."""
    return entry_of(
        "held_refund_due",
        (AccountName("held", coin), DEBIT, refunded_minor),
        (AccountName("refund", coin), CREDIT, refunded_minor),
    )


def payment_refund_due(
    *, merchant_id: str, coin: Asset, refunded_minor: int, value_tiyn: int, returned: Fee = NO_FEE
) -> Entry:
    """A settled payment that the store gives back, whole or in part: the merchant bears ``value_tiyn``, less fee returned.

    The resident is owed ``refunded_minor`` of the coin. Rounding: the caller rounds the coin down to its smallest unit from
    the value in tiyn, so that the merchant never bears more than is given back.
    """
    return entry_of(
        "payment_refund_due",
        (payable(merchant_id), DEBIT, value_tiyn - returned.total_tiyn),
        (AccountName("fee_income", KZT), DEBIT, returned.fee_tiyn),
        (AccountName("vat_payable", KZT), DEBIT, returned.vat_tiyn),
        (position_cost(coin), CREDIT, value_tiyn),
        (position(coin), DEBIT, refunded_minor),
        (AccountName("refund", coin), CREDIT, refunded_minor),
    )


def refund_sent(*, coin: Asset, wallet: str, sent_minor: int, source: str = PAYMENTS) -> Entry:
    """A refund that the chain shows as sent: the coin left the reserve, nothing is owed any more. No rounding."""
    return entry_of(
        "refund_sent",
        (AccountName("refund", coin), DEBIT, sent_minor),
        (reserve(coin, wallet, source), CREDIT, sent_minor),
    )


def network_fee_paid(
    *, coin: Asset, wallet: str, fee_minor: int, value_tiyn: int, source: str = PAYMENTS
) -> Entry:
    """A miner's fee or gas: coin that the operator gave up, at its value of the moment. ``value_tiyn`` is rounded half up."""
    return entry_of(
        "network_fee_paid",
        (position(coin), DEBIT, fee_minor),
        (reserve(coin, wallet, source), CREDIT, fee_minor),
        (AccountName("network_cost", KZT), DEBIT, value_tiyn),
        (position_cost(coin), CREDIT, value_tiyn),
    )


def reserve_sold(
    *, coin: Asset, wallet: str, sold_minor: int, cost_tiyn: int, proceeds_tiyn: int, source: str = PAYMENTS
) -> Entry:
    """Coins of the reserve sold for tenge at the bank; what they brought beyond ``cost_tiyn`` is the realised difference.

    Rounding: the caller takes the cost by ``cost_of``, half up to a tiyn; the last sale takes all that is left of the cost.
    """
    difference = proceeds_tiyn - cost_tiyn
    return entry_of(
        "reserve_sold",
        (position(coin), DEBIT, sold_minor),
        (reserve(coin, wallet, source), CREDIT, sold_minor),
        (AccountName("bank", KZT), DEBIT, proceeds_tiyn),
        (position_cost(coin), CREDIT, cost_tiyn),
        (AccountName("exchange_diff", KZT), CREDIT if difference > 0 else DEBIT, abs(difference)),
    )


def cost_of(part_minor: int, *, position_minor: int, position_cost_tiyn: int) -> int:
    """Tiyn that ``part_minor`` of a position of ``position_minor`` cost, by the average cost; half up, all for the whole.

    Raises:
        EntryRefused: more than the position holds.
    """
    if not 0 < part_minor <= position_minor:
        raise EntryRefused("the part is not within the position")
    return divide_half_up(position_cost_tiyn * part_minor, position_minor)


def reserve_acquired(*, coin: Asset, wallet: str, source: str, acquired_minor: int, value_tiyn: int) -> Entry:
    """Coins that came otherwise than by payments: bought out of the bank account, or given over to the city's capital.

    ``value_tiyn`` is what was paid, or the document's value. No rounding: both figures stand in the document.
    """
    contra = "bank" if source == "purchase" else "capital"
    return entry_of(
        "reserve_acquired",
        (reserve(coin, wallet, source), DEBIT, acquired_minor),
        (position(coin), CREDIT, acquired_minor),
        (position_cost(coin), DEBIT, value_tiyn),
        (AccountName(contra, KZT), CREDIT, value_tiyn),
    )


def payout_reserved(*, merchant_id: str, amount_tiyn: int) -> Entry:
    """Tenge set aside for a payout before any file is made: no longer owed, not yet paid. No rounding."""
    return entry_of(
        "payout_reserved",
        (payable(merchant_id), DEBIT, amount_tiyn),
        (AccountName("payout", KZT), CREDIT, amount_tiyn),
    )


def payout_completed(*, amount_tiyn: int) -> Entry:
    """A payout that the bank's statement shows as paid. No rounding."""
    return entry_of(
        "payout_completed",
        (AccountName("payout", KZT), DEBIT, amount_tiyn),
        (AccountName("bank", KZT), CREDIT, amount_tiyn),
    )


def payout_cancelled(*, merchant_id: str, amount_tiyn: int) -> Entry:
    """A payout that never reached the bank: owed to the merchant again. No rounding."""
    return entry_of(
        "payout_cancelled",
        (AccountName("payout", KZT), DEBIT, amount_tiyn),
        (payable(merchant_id), CREDIT, amount_tiyn),
    )


def payout_returned(*, merchant_id: str, amount_tiyn: int) -> Entry:
    """A completed payout that the bank sent back: the tenge is at the bank and owed again. No rounding."""
    return entry_of(
        "payout_returned",
        (AccountName("bank", KZT), DEBIT, amount_tiyn),
        (payable(merchant_id), CREDIT, amount_tiyn),
    )


def direct_settled(*, merchant_id: str, fee: Fee) -> Entry:
    """A payment into the store's own wallet: only the fee and its VAT are the platform's, and are owed by the merchant.

    Rounding: the fee and its VAT half up to a tiyn each, as of a payment that is settled in tenge.
    """
    return entry_of(
        "direct_settled",
        (AccountName("fee_receivable", KZT, merchant_id), DEBIT, fee.total_tiyn),
        (AccountName("fee_income", KZT), CREDIT, fee.fee_tiyn),
        (AccountName("vat_payable", KZT), CREDIT, fee.vat_tiyn),
    )


def correction(lines: Iterable[Line], *, description: str) -> Entry:
    """What two people found to be missing in the books; the description says why, and names the document. No rounding.

    Raises:
        EntryRefused: no description, or the lines do not balance.
    """
    if not description.strip():
        raise EntryRefused("a correction says why")
    return Entry("correction", tuple(lines), description.strip())


def reversal(recipe: str, lines: Iterable[Line]) -> Entry:
    """The entry that undoes ``lines``: the same accounts and amounts on the other side. No rounding."""
    swapped = tuple(
        Line(line.account, CREDIT if line.side == DEBIT else DEBIT, line.amount_minor) for line in lines
    )
    return Entry(f"{recipe}_reversed", swapped)


def _owed(
    merchant_id: str, coin: Asset, *, gross_tiyn: int, fee: Fee
) -> tuple[tuple[AccountName, str, int], ...]:
    """The tenge side of money that a merchant is credited with: what the coin cost, and who gets which part of it."""
    return (
        (position_cost(coin), DEBIT, gross_tiyn),
        (payable(merchant_id), CREDIT, gross_tiyn - fee.total_tiyn),
        (AccountName("fee_income", KZT), CREDIT, fee.fee_tiyn),
        (AccountName("vat_payable", KZT), CREDIT, fee.vat_tiyn),
    )
