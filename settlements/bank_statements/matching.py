"""Which payout a line of a statement speaks of: number, amount and account must all agree, or a person has to look.

A payout is named by the number of its payment order (what the bank calls the document's number, or quotes as "п/п №17"), by
the reference that went with it from end to end ("AP17"), or by the number of the register in the purpose, which counts
per merchant. Documents of other years have the same numbers: what was booked before a payout was prepared is not of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from settlements.bank_statements.lines import Direction, StatementLine

_REFERENCE = re.compile(r"\bAP(\d{1,15})\b", re.ASCII)
_ORDER = re.compile(
    r"(?:п/п|\bпп\b|пл\w*\W{0,2}пор\w*|документ\w*)\W{0,4}(?:no?\W{0,2})?(\d{1,15})\b", re.IGNORECASE
)
_REGISTER = re.compile(r"реестр\w*\W{0,4}(?:no?\W{0,2})?(\d{1,9})\b", re.IGNORECASE)


class Fault(StrEnum):
    """Why a line stays with the people."""

    NOT_NAMED = "not named"
    NOT_A_RETURN = "not a return"
    AMOUNT = "amount"
    COUNTERPARTY = "counterparty"
    ACCOUNT = "account"
    AMBIGUOUS = "ambiguous"
    NOT_APPROVED = "not approved"
    NOT_COMPLETED = "not completed"
    CANCELLED = "cancelled"
    TAKEN = "taken"
    SUMS = "sums"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A payout that may be meant. ``account_iban`` is the account it is paid from, "" before it is in a batch.

    ``is_out_seen`` and ``is_return_seen`` say that another line stands for its payment, or its return, already;
    ``is_paid_again`` that one more payment of it waits for a person, or was set aside by one.
    """

    payout_id: int
    number: int
    prepared_on: date
    amount_tiyn: int
    iban: str
    business_id: str
    account_iban: str
    is_approved: bool
    is_completed: bool
    is_returned: bool
    is_cancelled: bool
    is_out_seen: bool = False
    is_return_seen: bool = False
    is_paid_again: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """What a line names: numbers of payment orders (ids of payouts), and numbers of registers."""

    order_numbers: frozenset[int]
    register_numbers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Proposal:
    """The payout that a line stands for, or why there is none; ``payout_id`` beside a fault is the nearest one."""

    payout_id: int | None
    fault: Fault | None


def named_by(line: StatementLine) -> Named:
    """The numbers that ``line`` names."""
    orders = {int(number) for text in (line.reference, line.purpose) for number in _REFERENCE.findall(text)}
    orders |= {int(number) for number in _ORDER.findall(line.purpose)}
    if re.fullmatch(r"\d{1,15}", line.document_number, re.ASCII):
        orders.add(int(line.document_number))
    registers = {int(number) for number in _REGISTER.findall(line.purpose)}
    return Named(frozenset(orders), frozenset(registers))


def propose(line: StatementLine, candidates: list[Candidate], *, do_sums_agree: bool) -> Proposal:
    """The payout among ``candidates`` that ``line`` completes or returns.

    ``candidates`` are payouts that the line names. A return is believed only of a statement whose sums agree: it makes
    tenge go out again.
    """
    if line.direction == Direction.IN and not line.is_return:
        return Proposal(None, Fault.NOT_A_RETURN)
    candidates = [each for each in candidates if each.prepared_on <= line.booked_on]
    agreeing = [each for each in candidates if _difference(line, each) is None]
    if not agreeing:
        return _nearest(line, candidates)
    candidate = _best_named(line, agreeing)
    if candidate is None:
        return Proposal(None, Fault.AMBIGUOUS)
    fault = _payment_fault(candidate) if line.direction == Direction.OUT else _return_fault(candidate)
    if fault is None and line.direction == Direction.IN and not do_sums_agree:
        fault = Fault.SUMS
    return Proposal(candidate.payout_id, fault)


def _best_named(line: StatementLine, agreeing: list[Candidate]) -> Candidate | None:
    """The one that the line names in every way in which it names any of the others, and in one more."""
    named = named_by(line)

    def ways(candidate: Candidate) -> set[str]:
        by_order = {"order"} if candidate.payout_id in named.order_numbers else set()
        return by_order | ({"register"} if candidate.number in named.register_numbers else set())

    for candidate in agreeing:
        if all(ways(candidate) > ways(other) for other in agreeing if other is not candidate):
            return candidate
    return None


def _difference(line: StatementLine, candidate: Candidate) -> Fault | None:
    if line.amount_tiyn != candidate.amount_tiyn:
        return Fault.AMOUNT
    if not _is_counterparty(line, candidate):
        return Fault.COUNTERPARTY
    if candidate.account_iban and line.account_iban != candidate.account_iban:
        return Fault.ACCOUNT
    return None


def _is_counterparty(line: StatementLine, candidate: Candidate) -> bool:
    if line.counterparty_iban == candidate.iban:
        return True
    # A bank returns money from an account of its own, and names the business whose account would not take it.
    return line.direction == Direction.IN and line.counterparty_business_id == candidate.business_id


def _nearest(line: StatementLine, candidates: list[Candidate]) -> Proposal:
    """The candidate that differs in one thing; a number that agrees by chance, with all else different, names nothing."""
    for candidate in candidates:
        is_same_amount = line.amount_tiyn == candidate.amount_tiyn
        if is_same_amount or _is_counterparty(line, candidate):
            return Proposal(candidate.payout_id, _difference(line, candidate))
    return Proposal(None, Fault.NOT_NAMED)


def _payment_fault(candidate: Candidate) -> Fault | None:
    if candidate.is_out_seen:
        return Fault.TAKEN
    if candidate.is_completed:
        return None
    if candidate.is_cancelled:
        return Fault.CANCELLED
    return None if candidate.is_approved else Fault.NOT_APPROVED


def _return_fault(candidate: Candidate) -> Fault | None:
    if candidate.is_return_seen:
        return Fault.TAKEN
    if candidate.is_paid_again and not candidate.is_returned:
        # Which of the two payments came back, the numbers cannot say: the merchant may well have kept one.
        return Fault.TAKEN
    if candidate.is_returned or candidate.is_completed:
        return None
    return Fault.CANCELLED if candidate.is_cancelled else Fault.NOT_COMPLETED
