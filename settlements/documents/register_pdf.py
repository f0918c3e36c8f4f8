"""The register as PDF: the lines that add up, the days, and the operations with rate, sources and txid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from settlements.documents import figures
from settlements.documents.columns import coin_text, note_text
from settlements.documents.lines import SummaryLine, beside, summary
from settlements.documents.paper import ELLIPSIS, GREY, Cell, Paper
from settlements.documents.reading import Progress, Reading, RegisterRow, no_progress
from settlements.documents.wording import say
from settlements.register import Register, Totals

# More rows than anybody reads on paper; longer registers name the files that hold every operation.
OPERATIONS_MAX = 2000
# Of a shop's order number, so much: the txid beside it matters more.
ORDER_LENGTH_MAX = 40
_DAY_LINES = ("gross", "reversed", "refunds", "corrections", "fee", "vat")
_TALL = 4.6
_SMALL = 3.4


def write_register_pdf(
    register: Register,
    target: BinaryIO,
    *,
    language: str,
    operator_name: str,
    preliminary: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Write the register to ``target``. A period that is over gives the same bytes whenever it is written."""
    reading = Reading(register, progress)
    # Kept only while they are few enough to be printed; the totals are those of all.
    rows: list[RegisterRow] = []
    for row in reading.rows():
        if len(rows) < OPERATIONS_MAX:
            rows.append(row)
    period = period_text(register)
    paper = Paper(
        title=f"{say('register', language)} {period}",
        language=language,
        dated=register.last,
        running_head=f"{register.merchant.legal_name} · {register.merchant.business_id} · {period}",
        orientation="landscape",
    )
    _front(paper, reading, operator_name=operator_name, preliminary=preliminary)
    if register.first != register.last and reading.days:
        _days(paper, reading)
    _operations(paper, reading, rows)
    paper.output(target)


def period_text(register: Register) -> str:
    """ "23.11.2026" or "01.11.2026 – 30.11.2026"."""
    first, last = figures.day(register.first), figures.day(register.last)
    return first if first == last else f"{first} – {last}"


def _front(paper: Paper, reading: Reading, *, operator_name: str, preliminary: bool) -> None:
    register, language = reading.register, paper.language
    paper.write_line(say("register", language), size=16, bold=True)
    paper.write_line(period_text(register), size=11)
    if preliminary:
        paper.write_line(say("preliminary", language), size=8.5, bold=True)
    paper.ln(2)
    merchant = register.merchant
    paper.fact(say("merchant", language), merchant.legal_name)
    paper.fact(say("business_id", language), merchant.business_id)
    paper.fact(say("operator", language), operator_name)
    paper.write_line(say("time_zone", language), size=7.5, colour=GREY)
    paper.ln(2)
    cells = [
        Cell(say("line", language), 92),
        Cell(say("count", language), 24, "R"),
        Cell(say("amount", language), 46, "R"),
    ]
    paper.headings(cells, height=5)
    for line in [*summary(register.opening_tiyn, reading.totals), *beside(reading.totals)]:
        _summary_line(paper, cells, line)
    paper.ln(4)


def _summary_line(paper: Paper, cells: Sequence[Cell], line: SummaryLine) -> None:
    language = paper.language
    count = "" if line.count is None else str(line.count)
    texts = [say(line.key, language), count, figures.tenge(line.amount_tiyn, language)]
    paper.row(cells, texts, size=9, bold=line.is_sum, height=5.4)
    paper.rule(sum(cell.width for cell in cells))


def _days(paper: Paper, reading: Reading) -> None:
    language = paper.language
    keys = (*_DAY_LINES, "net_column", "payout_column", "balance")
    cells = [Cell(say("day", language), 20), Cell(say("count", language), 12, "R")]
    cells += [Cell(say(key, language), (paper.epw - 32) / len(keys), "R") for key in keys]
    _heading(paper, say("days", language), room=30)
    paper.headings(cells, height=11.5)
    balance_tiyn = reading.register.opening_tiyn
    for day, totals in reading.days.items():
        balance_tiyn += totals.movement_tiyn
        if not paper.has_room(_TALL):
            paper.add_page()
            paper.headings(cells, height=11.5)
        amounts = _day_amounts(totals, balance_tiyn)
        texts = [figures.day(day), str(totals.operation_count)]
        paper.row(cells, texts + [figures.money(amount, language) for amount in amounts], height=_TALL)
        paper.rule()
    amounts = _day_amounts(reading.totals, reading.balance_tiyn)
    texts = [say("total", language), str(reading.totals.operation_count)]
    paper.row(
        cells,
        texts + [figures.money(amount, language) for amount in amounts],
        size=7.5,
        bold=True,
        height=_TALL,
    )
    paper.ln(4)


def _day_amounts(totals: Totals, balance_tiyn: int) -> list[int]:
    return [
        totals.gross_tiyn,
        -totals.reversed_tiyn,
        -totals.refunds_tiyn,
        totals.corrections_tiyn,
        -totals.fee_tiyn,
        -totals.vat_tiyn,
        totals.net_tiyn,
        totals.movement_tiyn - totals.net_tiyn,
        balance_tiyn,
    ]


def _operations(paper: Paper, reading: Reading, rows: Sequence[RegisterRow]) -> None:
    language = paper.language
    _heading(paper, say("operations", language), room=24)
    if reading.count > len(rows):
        paper.write_line(say("too_many", language, count=reading.count))
        return
    if not rows:
        paper.write_line(say("none", language))
        return
    cells = _operation_cells(language)
    paper.headings(cells)
    for row in rows:
        if not paper.has_room(_TALL + _SMALL + 1):
            paper.add_page()
            paper.headings(cells)
        _operation(paper, cells, row)
    totals = reading.totals
    amounts = [
        totals.net_tiyn + totals.fee_tiyn + totals.vat_tiyn,
        totals.fee_tiyn,
        totals.vat_tiyn,
        totals.net_tiyn,
        totals.movement_tiyn - totals.net_tiyn,
    ]
    texts = ["", say("total", language), "", "", "", ""]
    paper.row(cells, texts + [figures.money(amount, language) for amount in amounts], size=7.5, bold=True)


def _operation_cells(language: str) -> list[Cell]:
    return [
        Cell(say("number", language), 10),
        Cell(say("posted", language), 27),
        Cell(say("kind", language), 28),
        Cell(say("invoice", language), 39),
        Cell(say("coin_amount", language), 44, "R"),
        Cell(say("rate", language), 23, "R"),
        Cell(say("gross_column", language), 23, "R"),
        Cell(say("fee_column", language), 18, "R"),
        Cell(say("vat_column", language), 16, "R"),
        Cell(say("net_column", language), 22, "R"),
        Cell(say("payout_column", language), 23, "R"),
    ]


def _operation(paper: Paper, cells: Sequence[Cell], row: RegisterRow) -> None:
    language, operation, details = paper.language, row.operation, row.details
    symbol = details.coin_symbol or operation.coin_code
    earned = (operation.gross_tiyn, operation.fee_tiyn, operation.vat_tiyn, operation.net_tiyn)
    texts = [
        str(row.number),
        figures.moment(operation.posted_at),
        say(operation.kind, language),
        details.invoice_id,
        f"{coin_text(row)} {symbol}".strip(),
        figures.price(details.rate_tenge, language) if details.rate_tenge else "",
        *(figures.money(amount, language) if row.is_earned else "" for amount in earned),
        figures.money(operation.net_tiyn, language) if row.is_payout else "",
    ]
    paper.row(cells, texts, size=7.5, height=_TALL)
    if below := _below(row, language):
        paper.font(6, colour=GREY)
        paper.set_x(paper.l_margin + cells[0].width)
        paper.cell(0, _SMALL, paper.fitting(below, paper.epw - cells[0].width))
        paper.ln(_SMALL)
    paper.rule()


def _below(row: RegisterRow, language: str) -> str:
    """The second line of an operation: order, network and txid, the official rate, and where the rate came from."""
    details = row.details
    order = details.order_id[:ORDER_LENGTH_MAX] + (ELLIPSIS if details.order_id[ORDER_LENGTH_MAX:] else "")
    parts = [f"{say('order', language)} {order}" if order else ""]
    parts += [note_text(row, language), f"{details.network_name} {details.txid}".strip()]
    if details.official_rate is not None:
        parts.append(
            f"{say('official_short', language)} {figures.price(details.official_rate, language)} ₸/USD"
        )
    if details.rate_sources:
        parts.append(f"{say('sources_short', language)}: {details.rate_sources}")
    return " · ".join(filter(None, parts))


def _heading(paper: Paper, text: str, *, room: float) -> None:
    if not paper.has_room(room):
        paper.add_page()
    paper.write_line(text, size=11, bold=True)
    paper.ln(1)
