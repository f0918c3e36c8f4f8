"""Letters of the program to people at merchants: in every language, since nobody has told us which one they read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import send_mail
from django.utils import translation

from merchants.models import User

logger = logging.getLogger(__name__)


class Delivery(Enum):
    """What became of a letter. One that is refused is refused again, however often it is sent."""

    TAKEN = auto()
    REFUSED = auto()
    NOT_NOW = auto()


def send(person: User, write: Callable[[], tuple[str, str]]) -> Delivery:
    """Mail ``person`` what ``write`` says, subject and text, in the language that is active.

    No database transaction should be open: a mail server may take its time.
    """
    subjects, texts = [], []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            subject, text = write()
            subjects.append(subject)
            texts.append(text)
    try:
        send_mail(f"Alatau Pay: {' · '.join(subjects)}", "\n\n".join(texts), None, [person.email])
    except SMTPRecipientsRefused as error:
        logger.warning("the mail server does not take a person's address", extra={"user": person.pk})
        is_final = all(code >= 500 for code, _text in error.recipients.values())
        return Delivery.REFUSED if is_final else Delivery.NOT_NOW
    except (SMTPException, OSError) as error:
        logger.warning("a letter was not taken and will be sent again (%s)", type(error).__name__)
        return Delivery.NOT_NOW
    return Delivery.TAKEN
