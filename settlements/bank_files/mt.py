"""MT100 (one message for each payment) and MT102 (one for the payments to each bank), as banks' programs import them.

The tags and their order are the interbank system's of before 2025; amounts have a comma, text is upper case. ``:32A:`` of
an MT102 is its last line and the sum of its ``:32B:``. The purpose stands after /ASSIGN/: 62 characters there, 70 on each
further line, cut so that no line begins with a mark of the format, and the lines join to the text again without a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from alatau_pay.money import format_minor
from settlements.bank_files.orders import CURRENCY, BankFile, OrderRefused, Party, PaymentBatch, PaymentOrder
from settlements.bank_files.scribe import Encoding, Scribe

LINE_END = "\r\n"
FIRST_LINE_LENGTH, LINE_LENGTH, LINES_MAX = 62, 70, 6
# Banks' programs were seen to take no more payments in one MT102.
MT102_PAYMENTS_MAX = 50
# Priority 50, sending 07, kind of operation 01, payment system 01: what every generator at hand writes.
SEND, VO, PSO, PRT = "07", "01", "01", "50"

# ":20:" and "/NAME/" inside a text would begin a tag for a program that searches for them.
_TAG_INSIDE = re.compile(r":(?=\d\d[A-Z]?:)|/(?=[A-Z]{1,10}/)")
_BRACES = str.maketrans("{}", "()")
_NOT_AT_LINE_START = frozenset(" :-/")


def write_mt100(batch: PaymentBatch, encoding: Encoding) -> BankFile:
    """The batch as MT100 messages, one after the other.

    Raises:
        OrderRefused: the bank's header is not set, or a text cannot be written in ``encoding``.
    """
    scribe = Scribe(encoding, guard=_guard)
    lines = [line for order in batch.orders for line in _mt100(batch, order, scribe)]
    return _file("mt100", batch, lines, scribe)


def write_mt102(batch: PaymentBatch, encoding: Encoding) -> BankFile:
    """The batch as MT102 messages, one for each bank of payees (more where it gets over 50 payments).

    Raises:
        OrderRefused: the bank's header is not set, or a text cannot be written in ``encoding``.
    """
    scribe = Scribe(encoding, guard=_guard)
    lines: list[str] = []
    for index, orders in enumerate(_by_bank(batch.orders), start=1):
        lines += _mt102(batch, orders, f"APB{batch.number}N{index}", scribe)
    return _file("mt102", batch, lines, scribe)


def _file(kind: str, batch: PaymentBatch, lines: list[str], scribe: Scribe) -> BankFile:
    content = scribe.encode("".join(line + LINE_END for line in lines))
    return BankFile(f"{kind}_{batch.number}.txt", content, scribe.warnings)


def _by_bank(orders: tuple[PaymentOrder, ...]) -> Iterator[list[PaymentOrder]]:
    banks: dict[str, list[PaymentOrder]] = {}
    for order in orders:
        banks.setdefault(order.payee.bank_bic, []).append(order)
    for to_bank in banks.values():
        for start in range(0, len(to_bank), MT102_PAYMENTS_MAX):
            yield to_bank[start : start + MT102_PAYMENTS_MAX]


def _mt100(batch: PaymentBatch, order: PaymentOrder, scribe: Scribe) -> list[str]:
    return [
        *_header("100", batch),
        f":20:{order.reference}",
        f":32A:{_day(batch.value_date)}{_amount(order.amount_tiyn)}",
        *_payer(batch, scribe),
        f":52B:{batch.payer.bank_bic}",
        f":57B:{order.payee.bank_bic}",
        *_payee(order, scribe),
        f":70:/NUM/{order.number}",
        *_common(batch),
        f"/VO/{VO}",
        f"/KNP/{order.knp}",
        f"/PSO/{PSO}",
        f"/PRT/{PRT}",
        *_assign(order, scribe),
        "-}",
    ]


def _mt102(batch: PaymentBatch, orders: list[PaymentOrder], reference: str, scribe: Scribe) -> list[str]:
    common = _common(batch)
    lines = [
        *_header("102", batch),
        f":20:{reference}",
        f":52B:{batch.payer.bank_bic}",
        f":57B:{orders[0].payee.bank_bic}",
        f":70:{common[0]}",
        *common[1:],
        f"/PSO/{PSO}",
        f"/PRT/{PRT}",
    ]
    for order in orders:
        lines += [f":21:{order.reference}", f":32B:{_amount(order.amount_tiyn)}"]
        lines += [*_payer(batch, scribe), *_payee(order, scribe)]
        lines += [f":70:/NUM/{order.number}", f"/VO/{VO}", f"/KNP/{order.knp}", *_assign(order, scribe)]
    total_tiyn = sum(order.amount_tiyn for order in orders)
    return [*lines, f":32A:{_day(batch.value_date)}{_amount(total_tiyn)}", "-}"]


def _header(kind: str, batch: PaymentBatch) -> list[str]:
    terminal = batch.mt_terminal.strip().removeprefix("F01")
    if not re.fullmatch(r"[A-Z0-9]{4,27}", terminal) or not re.fullmatch(r"[A-Z0-9]{1,12}", batch.mt_system):
        raise OrderRefused(
            f"the MT header of {batch.payer.bank_name} is not set: the bank assigns the terminal"
        )
    return [f"{{1:F01{terminal}}}", f"{{2:I{kind}{batch.mt_system.ljust(12, '0')}U3003}}", "{4:"]


def _common(batch: PaymentBatch) -> list[str]:
    return [f"/DATE/{_day(batch.made_at)}", f"/SEND/{SEND}"]


def _payer(batch: PaymentBatch, scribe: Scribe) -> list[str]:
    payer = batch.payer
    lines = [f":50:/D/{payer.iban}", *_party(payer, scribe, number=None)]
    for tag, given in (("CHIEF", batch.chief_name), ("MAINBK", batch.accountant_name)):
        if given.strip():
            lines.append(f"/{tag}/{scribe.text(given, number=None, field=tag.lower())}")
    return [*lines, f"/IRS/{payer.kbe[0]}", f"/SECO/{payer.kbe[1]}"]


def _payee(order: PaymentOrder, scribe: Scribe) -> list[str]:
    payee = order.payee
    codes = [f"/IRS/{payee.kbe[0]}", f"/SECO/{payee.kbe[1]}"]
    return [f":59:{payee.iban}", *_party(payee, scribe, number=order.number), *codes]


def _party(party: Party, scribe: Scribe, *, number: int | None) -> list[str]:
    return [f"/NAME/{scribe.text(party.name, number=number, field='name')}", f"/IDN/{party.business_id}"]


def _assign(order: PaymentOrder, scribe: Scribe) -> list[str]:
    text = scribe.text(order.purpose, number=order.number, field="purpose")
    lines = _wrap(text)
    if len(lines) > LINES_MAX:
        raise OrderRefused(f"order {order.number}: the purpose does not fit in {LINES_MAX} lines")
    return [f"/ASSIGN/{lines[0]}", *lines[1:]]


def _wrap(text: str) -> list[str]:
    lines, length = [], FIRST_LINE_LENGTH
    while len(text) > length:
        cut = length
        # Neither a mark at the start of a line nor a blank at either end of one, where programs would lose it.
        while cut > 0 and (text[cut] in _NOT_AT_LINE_START or text[cut - 1] == " "):
            cut -= 1
        if cut == 0:
            raise OrderRefused("a purpose made of marks cannot be wrapped")
        lines.append(text[:cut])
        text, length = text[cut:], LINE_LENGTH
    return [*lines, text]


def _guard(text: str) -> str:
    return _TAG_INSIDE.sub(lambda mark: f"{mark.group()} ", text.upper().translate(_BRACES))


def _amount(amount_tiyn: int) -> str:
    return CURRENCY + format_minor(amount_tiyn, 2).replace(".", ",")


def _day(day: date) -> str:
    return f"{day:%y%m%d}"
