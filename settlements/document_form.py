"""What a person picks on the page of registers and documents, and the period that it comes to."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from settlements.documents.catalogue import FORMATS, DocumentRefused, DocumentRequest, month_of
from settlements.models import DocumentFormat, DocumentKind

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Span(models.TextChoices):
    DAY = "day", _("Day")
    WEEK = "week", _("Week, Monday to Sunday")
    MONTH = "month", _("Month")
    YEAR = "year", _("Year")
    PERIOD = "period", _("From one day to another")


def _day_field(label: StrPromise, *, required: bool) -> forms.DateField:
    # Days that a calendar can still count on from; no entry is older than Bitcoin.
    limits = [MinValueValidator(date(2009, 1, 1)), MaxValueValidator(date(2998, 12, 31))]
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(label=label, required=required, widget=widget, validators=limits)


class DocumentForm(forms.Form):
    """``wanted`` is what was asked for, once the form is valid."""

    kind = forms.ChoiceField(label=_("Document"), choices=DocumentKind.choices)
    span = forms.ChoiceField(label=_("Span of days"), choices=Span.choices)
    day = _day_field(_("Day, or any day of the week, month or year"), required=True)
    last_day = _day_field(_("To, for a period"), required=False)
    format = forms.ChoiceField(label=_("File"), choices=DocumentFormat.choices)
    language = forms.ChoiceField(
        label=_("Language"), choices=[("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]
    )

    wanted: DocumentRequest

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        self.today = today
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """Say what is wrong with the period in the words of the page; what is left goes to the documents themselves."""
        asked = super().clean() or {}
        if self.errors:
            return asked
        kind, form = DocumentKind(asked["kind"]), DocumentFormat(asked["format"])
        if kind is not DocumentKind.REGISTER:
            # There is one file of a month's invoice and act.
            form = FORMATS[kind][0]
        first, last = self._period(kind, asked)
        if self.errors:
            return asked
        try:
            self.wanted = DocumentRequest(kind, form, asked["language"], first, last)
        except DocumentRefused:
            self.add_error("last_day", _("A document spans a year at most, and ends after it begins."))
        return asked

    def _period(self, kind: DocumentKind, asked: dict[str, Any]) -> tuple[date, date]:
        day, last_day = asked["day"], asked.get("last_day")
        span = Span.MONTH if kind is not DocumentKind.REGISTER else Span(asked["span"])
        if span is Span.PERIOD and last_day is None:
            self.add_error("last_day", _("Say the last day of the period."))
        first, last = _days_of(span, day, last_day or day)
        if first > self.today:
            self.add_error("day", _("This period has not begun yet."))
        elif kind is not DocumentKind.REGISTER and last >= self.today:
            self.add_error(
                "day", _("This month is not over yet: its invoice and act come on the first day after it.")
            )
        return first, last


def _days_of(span: Span, day: date, last_day: date) -> tuple[date, date]:
    match span:
        case Span.DAY:
            return day, day
        case Span.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=6)
        case Span.MONTH:
            return month_of(day)
        case Span.YEAR:
            return date(day.year, 1, 1), date(day.year, 12, 31)
        case Span.PERIOD:
            return day, last_day
