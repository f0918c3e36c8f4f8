"""Sheets of paper: A4 with the project's fonts, page numbers, and tables drawn cell by cell.

The fonts (DejaVu Sans Condensed, see fonts/README.md) have every Kazakh letter and the tenge sign; a file holds only the
letters that it uses. Text stays text: it can be searched, copied and read aloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal

from fpdf import FPDF

from settlements.documents.wording import say

FONTS = Path(__file__).parent / "fonts"
FAMILY = "DejaVu"
MARGIN_MM = 12
GREY = (105, 112, 115)
BLACK = (20, 24, 26)
RULE = (205, 211, 213)
ELLIPSIS = "…"
# How small text is set, of its usual size, before it is cut off.
TEXT_SHRINKS_TO = 0.8

Align = Literal["L", "R", "C"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of a table: its heading, width in millimetres, and which side its text keeps to."""

    heading: str
    width: float
    align: Align = "L"


class Paper(FPDF):
    """A document in one language. ``running_head`` stands on every page but the first, the page number on all."""

    def __init__(
        self,
        *,
        title: str,
        language: str,
        dated: date,
        running_head: str,
        orientation: Literal["portrait", "landscape"],
    ) -> None:
        super().__init__(orientation=orientation, unit="mm", format="A4")
        self.language, self.running_head = language, running_head
        self.add_font(FAMILY, "", FONTS / "DejaVuSansCondensed.ttf")
        self.add_font(FAMILY, "B", FONTS / "DejaVuSansCondensed-Bold.ttf")
        self.set_title(title)
        self.set_author("Alatau Pay")
        self.set_lang(language)
        # Of the document, not of the clock: two copies are the same bytes.
        self.set_creation_date(datetime.combine(dated, time(12), tzinfo=UTC))
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=16)
        self.alias_nb_pages("{pages}")
        self.add_page()

    def header(self) -> None:
        """Whose document it is, from the second page on."""
        if self.page_no() == 1:
            return
        self.write_line(self.running_head, size=7.5, colour=GREY)
        self.ln(1.5)

    def footer(self) -> None:
        """That it is no fiscal receipt, and which page it is."""
        self.set_y(-12)
        self.font(7.5, colour=GREY)
        page = say("page", self.language, number=self.page_no(), count="{pages}")
        self.cell(self.epw / 2, 4, f"Alatau Pay · {say('not_fiscal', self.language)}")
        # Left, from the middle on: the number of pages is filled in last, and a width measured before would be wrong.
        self.set_x(self.w - MARGIN_MM - 42)
        self.cell(42, 4, page)

    def font(self, size: float, *, bold: bool = False, colour: tuple[int, int, int] = BLACK) -> None:
        """Write on in this size and weight."""
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)

    def write_line(
        self,
        text: str,
        *,
        size: float = 9,
        bold: bool = False,
        colour: tuple[int, int, int] = BLACK,
        align: Align = "L",
    ) -> None:
        """A paragraph over the whole width, broken where it must be."""
        self.font(size, bold=bold, colour=colour)
        self.multi_cell(0, size * 0.5, text, align=align, new_x="LMARGIN", new_y="NEXT")

    def fact(self, label: str, value: str, *, label_width: float = 32, width: float = 0) -> None:
        """A grey label and what it says, side by side."""
        top, left = self.get_y(), self.get_x()
        self.font(8.5, colour=GREY)
        self.multi_cell(label_width, 4.4, label, align="L", new_x="RIGHT", new_y="TOP")
        self.font(8.5)
        below = self.get_y()
        self.set_xy(left + label_width, top)
        value_width = width - label_width if width else 0
        self.multi_cell(value_width, 4.4, value, align="L", new_x="LMARGIN", new_y="NEXT")
        self.set_xy(left, max(below, self.get_y()))

    def headings(self, cells: Sequence[Cell], *, size: float = 7.5, height: float = 8) -> None:
        """The headings of a table on a light ground, broken into two lines where they are long."""
        self.font(size, bold=True)
        self.set_fill_color(232, 238, 240)
        top = self.get_y()
        self.rect(self.l_margin, top, sum(cell.width for cell in cells), height, style="F")
        left = self.l_margin
        for cell in cells:
            self.set_xy(left, top + 0.6)
            self.multi_cell(cell.width, size * 0.44, cell.heading, align=cell.align)
            left += cell.width
        self.set_xy(self.l_margin, top + height)

    def row(
        self,
        cells: Sequence[Cell],
        texts: Sequence[str],
        *,
        size: float = 8,
        bold: bool = False,
        height: float = 5,
        colour: tuple[int, int, int] = BLACK,
    ) -> None:
        """One line of a table. What is too long for its cell is set smaller: figures, which keep to the right, as small as they
        must be, since a figure without its end is a wrong one; of text there is an ellipsis at last."""
        for cell, text in zip(cells, texts, strict=True):
            width = cell.width - 1.5
            self.font(size, bold=bold, colour=colour)
            share = min(1, width / (self.get_string_width(text) or width))
            if cell.align == "R":
                self.font(size * share, bold=bold, colour=colour)
            else:
                self.font(size * max(share, TEXT_SHRINKS_TO), bold=bold, colour=colour)
                text = self.fitting(text, width)
            self.cell(cell.width, height, text, align=cell.align)
        self.ln(height)

    def rule(self, width: float | None = None) -> None:
        """A thin line below what was written."""
        self.set_draw_color(*RULE)
        self.set_line_width(0.15)
        self.line(self.l_margin, self.get_y(), self.l_margin + (width or self.epw), self.get_y())

    def fitting(self, text: str, width: float) -> str:
        """``text``, or as much of it as fits into ``width`` millimetres before an ellipsis."""
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(text + ELLIPSIS) > width:
            text = text[:-1]
        return text + ELLIPSIS

    def has_room(self, height: float) -> bool:
        """Whether ``height`` millimetres fit on the page yet."""
        return self.get_y() + height <= self.page_break_trigger
