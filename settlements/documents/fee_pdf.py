"""The fee invoice and the act for a month, as PDF. Neither is a fiscal receipt nor an electronic tax invoice (ЭСФ)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from settlements.documents import figures
from settlements.documents.paper import BLACK, GREY, Cell, Paper
from settlements.documents.wording import month_name, say
from settlements.fee_statement import FeeLine, FeeStatement
from settlements.operator_requisites import Operator

_ROW = 7.0


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a document: the key of its role, and its requisites; "" where one is not known."""

    role: str
    name: str
    business_id: str
    address: str
    bank_bic: str
    iban: str
    bank_name: str = ""
    kbe: str = ""


def write_act(statement: FeeStatement, target: BinaryIO, *, language: str, operator: Operator) -> None:
    """Write the act of services rendered in the month: the same bytes whenever it is made of a month that is over."""
    paper = _begin("act", statement, language)
    for party in _parties(statement, operator):
        _party(paper, party)
    paper.write_line(say("contract", language), size=8.5)
    _table(paper, statement)
    _sum_in_words(paper, statement.total_tiyn)
    paper.write_line(say("vat_note", language), size=7.5, colour=GREY)
    _signatures(paper, ("handed_over", "accepted"))
    paper.output(target)


def write_fee_invoice(
    statement: FeeStatement, target: BinaryIO, *, language: str, operator: Operator
) -> None:
    """Write the invoice for the month's fee, and how much of it was withheld already."""
    paper = _begin("fee_invoice", statement, language)
    for party in _parties(statement, operator):
        _party(paper, party)
    paper.write_line(say("contract", language), size=8.5)
    _table(paper, statement)
    _sum_in_words(paper, statement.total_tiyn)
    paper.ln(1)
    for key, amount_tiyn in (("withheld", statement.withheld_tiyn), ("to_pay", statement.due_tiyn)):
        amount = figures.tenge(amount_tiyn, language)
        paper.write_line(say(key, language, amount=amount), size=10, bold=key == "to_pay")
    paper.ln(1)
    paper.write_line(say("vat_note", language), size=7.5, colour=GREY)
    _signatures(paper, ("issued_by",))
    paper.output(target)


def _begin(kind: str, statement: FeeStatement, language: str) -> Paper:
    number = say("document_number", language, number=statement.number, date=figures.day(statement.last))
    title = f"{say(kind, language)} {number}"
    paper = Paper(
        title=title,
        language=language,
        dated=statement.last,
        running_head=f"{title} · {statement.merchant.legal_name}",
        orientation="portrait",
    )
    paper.write_line(say(kind, language), size=15, bold=True)
    paper.write_line(number, size=10.5)
    paper.ln(4)
    return paper


def _parties(statement: FeeStatement, operator: Operator) -> tuple[Party, Party]:
    merchant = statement.merchant
    return (
        Party(
            "supplier",
            operator.name,
            operator.business_id,
            operator.address,
            operator.bank_bic,
            operator.iban,
            operator.bank_name,
            operator.kbe,
        ),
        Party(
            "customer",
            merchant.legal_name,
            merchant.business_id,
            merchant.address,
            merchant.bank_bic,
            merchant.iban,
        ),
    )


def _party(paper: Paper, party: Party) -> None:
    """Whose side it is, and its requisites; those that are not known have no line."""
    language = paper.language
    paper.fact(say(party.role, language), party.name, label_width=38)
    account = ", ".join(filter(None, (party.iban, party.bank_name, party.bank_bic)))
    for key, value in (
        ("business_id", party.business_id),
        ("address", party.address),
        ("iban", account),
        ("kbe", party.kbe),
    ):
        if value:
            paper.fact(say(key, language), value, label_width=38)
    paper.ln(2.5)


def _table(paper: Paper, statement: FeeStatement) -> None:
    language = paper.language
    cells = [
        Cell(say("number", language), 8),
        Cell(say("service_name", language), 56),
        Cell(say("unit", language), 16),
        Cell(say("quantity", language), 12, "R"),
        Cell(say("price", language), 26, "R"),
        Cell(say("vat_rate", language), 14, "R"),
        Cell(say("vat_amount", language), 26, "R"),
        Cell(say("with_vat", language), 28, "R"),
    ]
    paper.ln(2)
    paper.headings(cells)
    for number, line in enumerate(statement.lines, start=1):
        _line(paper, cells, number, line, statement)
    paper.row(
        cells,
        [
            "",
            say("total", language),
            "",
            "",
            figures.money(statement.fee_tiyn, language),
            "",
            figures.money(statement.vat_tiyn, language),
            figures.money(statement.total_tiyn, language),
        ],
        bold=True,
        height=_ROW,
    )
    paper.ln(3)


def _line(paper: Paper, cells: list[Cell], number: int, line: FeeLine, statement: FeeStatement) -> None:
    language = paper.language
    month = month_name(statement.first.year, statement.first.month, language)
    top = paper.get_y()
    paper.font(8)
    # The name of the service may take two lines; the figures stand beside the first.
    paper.set_xy(paper.l_margin + cells[0].width, top + 1)
    paper.multi_cell(cells[1].width, 3.9, say("service", language, month=month), align="L")
    below = max(paper.get_y() + 1, top + _ROW)
    paper.set_xy(paper.l_margin, top)
    paper.row(
        cells,
        [
            str(number),
            "",
            say("unit_service", language),
            "1",
            figures.money(line.fee_tiyn, language),
            figures.percent(line.vat_basis_points, language),
            figures.money(line.vat_tiyn, language),
            figures.money(line.total_tiyn, language),
        ],
        height=5.9,
    )
    paper.set_y(below)
    paper.rule()


def _sum_in_words(paper: Paper, amount_tiyn: int) -> None:
    language = paper.language
    words = figures.in_words(amount_tiyn, language)
    paper.write_line(f"{say('total', language)}: {figures.tenge(amount_tiyn, language)}", size=10, bold=True)
    paper.write_line(f"{say('in_words', language)}: {words}", size=9)


def _signatures(paper: Paper, keys: tuple[str, ...]) -> None:
    language = paper.language
    paper.ln(14)
    width = paper.epw / 2 - 6
    top = paper.get_y()
    for column, key in enumerate(keys):
        left = paper.l_margin + column * (width + 12)
        paper.set_xy(left, top)
        paper.font(9)
        paper.cell(width, 5, say(key, language))
        paper.set_draw_color(*BLACK)
        paper.line(left, top + 14, left + width, top + 14)
        paper.set_xy(left, top + 14.5)
        paper.font(7, colour=GREY)
        paper.cell(width, 4, say("signature", language), align="C")
