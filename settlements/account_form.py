"""Which days of its account a merchant looks at, and from which movement on."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from settlements.balances import Place

_PLACE = re.compile(r"^(\d{4}-\d{2}-\d{2})-(\d{1,18})$", re.ASCII)
# No entry is older than Bitcoin, and beyond these years a calendar cannot count on.
_FIRST, _LAST = date(2009, 1, 1), date(2998, 12, 31)


class PeriodForm(forms.Form):
    """The month so far unless told otherwise. A period that is none falls back to it, with the field's error shown."""

    first_day = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    last_day = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    def __init__(self, data: Any, *, today: date) -> None:
        given = {"first_day": today.replace(day=1), "last_day": today} | {
            name: data[name] for name in ("first_day", "last_day") if data.get(name)
        }
        self.today = today
        super().__init__(given)

    def clean(self) -> dict[str, Any]:
        """The first day is not after the last."""
        asked = super().clean() or {}
        first, last = asked.get("first_day"), asked.get("last_day")
        if first and last and not _FIRST <= first <= last <= _LAST:
            self.add_error("last_day", _("A period ends after it begins."))
        return asked

    @property
    def period(self) -> tuple[date, date]:
        """First and last day."""
        if self.is_valid():
            return self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        return self.today.replace(day=1), self.today


def place_of(text: str) -> Place | None:
    """The place that a link names ("2026-11-23-41"), or None: a bad one begins with the newest."""
    found = _PLACE.match(text)
    if found is None:
        return None
    try:
        return Place(date.fromisoformat(found[1]), int(found[2]))
    except ValueError:
        return None


def text_of(place: Place) -> str:
    """The place as a link names it."""
    return f"{place.day.isoformat()}-{place.entry_id}"


def day_before(day: date) -> date:
    """The day whose closing balance is the opening balance of ``day``."""
    return day - timedelta(days=1)
