"""The reserve on paper: where it lies, whose it is and what it cost, and what the figures do not say by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext

from payments import reserve_wording
from payments.reserve_report import Report
from settlements.business_day import business_date
from settlements.documents.figures import moment
from settlements.documents.paper import BLACK, GREY, MARGIN_MM, Cell, Paper

_PLACE_WIDTHS = (16, 25, 32, 28, 39, 32, 25, 39, 37)
_COIN_WIDTHS = (30, 50, 45, 50, 49, 49)
_WORTH_WIDTHS = (30, 40, 32, 38, 38, 26, 35, 34)
_SMALL = 7.0
# A place whose chain and books differ.
_RED = (176, 32, 32)


class ReservePaper(Paper):
    """A report of the operator's own: at its foot stand its name and the page, and no word of receipts."""

    def footer(self) -> None:
        """What it is, and which page."""
        self.set_y(-12)
        self.font(7.5, colour=GREY)
        self.cell(self.epw / 2, 4, f"Alatau Pay · {self.title}")
        # Left, from there on: the number of pages is filled in last, and a width measured before would be wrong.
        self.set_x(self.w - MARGIN_MM - 24)
        self.cell(24, 4, f"{self.page_no()} / {{pages}}")


def write_pdf(report: Report) -> bytes:
    """The whole file, in the language of the moment."""
    title = gettext("The reserve on %(at)s") % {"at": moment(report.at)}
    paper = ReservePaper(
        title=title,
        language=reserve_wording.language(),
        dated=business_date(report.at),
        running_head=title,
        orientation="landscape",
    )
    paper.write_line(title, size=15, bold=True)
    paper.ln(3)
    _places(paper, report)
    coins = _cells(reserve_wording.coin_headings(), _COIN_WIDTHS, left=1)
    _table(paper, gettext("Whose it is, and what it cost"), coins, reserve_wording.coin_rows(report))
    worth = _cells(reserve_wording.worth_headings(), _WORTH_WIDTHS, left=1)
    _table(paper, gettext("What the operator's own is worth"), worth, reserve_wording.worth_rows(report))
    _notes(paper, report)
    return bytes(paper.output())


def _places(paper: Paper, report: Report) -> None:
    cells = _cells(reserve_wording.place_headings(), _PLACE_WIDTHS, left=4)
    _begin(paper, gettext("Where it lies"), cells)
    for row in reserve_wording.place_rows(report):
        if not paper.has_room(6):
            paper.add_page()
            paper.headings(cells)
        shared = [row.asset, row.network, row.wallet] if row.first else ["", "", ""]
        seen = [row.chain, row.difference] if row.first else ["", ""]
        texts = [*shared, row.source, row.amount, row.market, row.official, *seen]
        paper.row(cells, texts, size=_SMALL, colour=_RED if row.differs else BLACK)
        paper.rule()
    if not report.places:
        paper.write_line(gettext("Nothing is held."), colour=GREY)
    paper.ln(5)


def _table(paper: Paper, title: str, cells: Sequence[Cell], rows: Sequence[Sequence[str]]) -> None:
    """A table whose last row is the total."""
    _begin(paper, title, cells)
    for number, row in enumerate(rows, start=1):
        if not paper.has_room(6):
            paper.add_page()
            paper.headings(cells)
        paper.row(cells, row, size=_SMALL, bold=number == len(rows))
        paper.rule()
    paper.ln(5)


def _notes(paper: Paper, report: Report) -> None:
    for note in reserve_wording.notes(report):
        paper.write_line(note, size=8, colour=GREY)
        paper.ln(0.8)


def _begin(paper: Paper, title: str, cells: Sequence[Cell]) -> None:
    if not paper.has_room(28):
        paper.add_page()
    paper.write_line(title, size=11, bold=True)
    paper.ln(1)
    paper.headings(cells)


def _cells(headings: Sequence[str], widths: Sequence[float], *, left: int) -> list[Cell]:
    """The first ``left`` columns keep to the left, the figures to the right."""
    return [
        Cell(heading, width, "L" if number < left else "R")
        for number, (heading, width) in enumerate(zip(headings, widths, strict=True))
    ]
