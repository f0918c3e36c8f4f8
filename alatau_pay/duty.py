"""Letters to the city's people on duty (``ALERT_EMAILS``). What there is to tell is a row, which remembers when it was told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import QuerySet

logger = logging.getLogger(__name__)

Letter = tuple[str, str]
"""Subject, and text."""


def mail_once(rows: QuerySet[Any], told: str, write: Callable[[], Letter | None], *, now: datetime) -> bool:
    """Mail what ``write`` says of the one row in ``rows``, unless its field ``told`` says that it was. Whether a mail went out.

    Where ``write`` has nothing to tell (None), the row counts as told. A letter that the mail server did not take is told at the
    next call; one that was being sent when the program was killed is not. Never call it inside a database transaction.
    """
    letter = write()
    # The row count decides who sends it when two come at once.
    if not rows.filter(**{f"{told}__isnull": True}).update(**{told: now}):
        return False
    if letter is None:
        return False
    if not mail(letter):
        rows.update(**{told: None})
        return False
    return True


def mail(letter: Letter) -> bool:
    """Mail ``letter``; whether the mail server took it."""
    subject, text = letter
    try:
        send_mail(subject, text, None, settings.ALERT_EMAILS)
    except (SMTPException, OSError) as error:
        logger.warning(
            "a letter to the city could not be mailed and will be tried again (%s)", type(error).__name__
        )
        return False
    return True
