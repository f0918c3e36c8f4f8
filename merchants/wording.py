"""What people read about numbers, permissions and events, in their language."""

from __future__ import annotations

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from merchants import api_keys
from merchants.business_id import BusinessId, Division, Fault, Kind
from merchants.models import WebhookEventType

# One sentence for every stranger: it must not tell whether, or whose, the number is.
BUSINESS_ID_UNUSABLE = _(
    "The business cannot be registered with this number; please write to the city office."
)
EMAIL_UNUSABLE = _(
    "This address cannot be used here. If it is yours, log in first; otherwise use another one."
)

_FAULTS: dict[Fault, str | Promise] = {
    Fault.NOT_DIGITS: _("The number holds something else than the digits 0 to 9."),
    Fault.LENGTH: _("The number has 12 digits."),
    Fault.DATE: _("The number begins with a date that does not exist."),
    Fault.TYPE: _("The number's fifth or seventh digit is not one that is given out."),
    Fault.CHECK_DIGIT: _("The last digit does not fit the others: there is a typing mistake somewhere."),
}
_KINDS: dict[Kind, str | Promise] = {
    Kind.COMPANY: _("resident legal entity"),
    Kind.FOREIGN_COMPANY: _("non-resident legal entity"),
    Kind.JOINT_ENTREPRENEUR: _("joint entrepreneurship"),
    Kind.PERSON: _("person (ИИН)"),
}
_DIVISIONS: dict[Division, str | Promise] = {
    Division.HEAD: _("head unit"),
    Division.BRANCH: _("branch"),
    Division.REPRESENTATIVE: _("representative office"),
    Division.FARM: _("farm"),
    Division.OTHER: _("other division"),
}

PERMISSIONS: dict[str, str | Promise] = {
    api_keys.VIEW_INVOICES: _("See invoices"),
    api_keys.CREATE_INVOICE: _("Create invoices"),
    api_keys.VIEW_STORE_SETTINGS: _("See the store's settings"),
    api_keys.MODIFY_INVOICES: _("Mark invoices as settled or invalid"),
    api_keys.MODIFY_WEBHOOKS: _("Manage webhooks"),
}
EVENTS: dict[str, str | Promise] = {
    WebhookEventType.CREATED: _("An invoice was created"),
    WebhookEventType.RECEIVED_PAYMENT: _("A payment was seen"),
    WebhookEventType.PROCESSING: _("The invoice is paid and waits for confirmations"),
    WebhookEventType.PAYMENT_SETTLED: _("A payment is confirmed"),
    WebhookEventType.SETTLED: _("The invoice is settled"),
    WebhookEventType.EXPIRED: _("The invoice expired"),
    WebhookEventType.EXPIRED_PAID_PARTIAL: _("The invoice expired, partly paid"),
    WebhookEventType.PAID_AFTER_EXPIRATION: _("The invoice was paid after it expired"),
    WebhookEventType.INVALID: _("The invoice became invalid"),
    WebhookEventType.REFUND: _("A refund was started"),
}


def business_id_fault(fault: Fault) -> str:
    """Why a БИН or ИИН is refused, for the person who typed it."""
    return str(_FAULTS[fault])


def business_id_meaning(decoded: BusinessId) -> str:
    """What a number says: "БИН: resident legal entity, head unit, registered January 2026"."""
    if decoded.division is None:
        born = formats.date_format(decoded.since, "DATE_FORMAT")
        meaning = gettext("ИИН: a person born on %(date)s") % {"date": born}
        return (
            f"{meaning} ({gettext('century not given: check the document')})"
            if decoded.century_unknown
            else meaning
        )
    return gettext("БИН: %(kind)s, %(division)s, registered %(month)s") % {
        "kind": _KINDS[decoded.kind],
        "division": _DIVISIONS[decoded.division],
        "month": formats.date_format(decoded.since, "YEAR_MONTH_FORMAT"),
    }
