"""What a resident owes and has paid, row by row. Each module holds the rows of one thing; all are imported from here."""

from payments.models.held import HeldDecision, HeldDecisionKind
from payments.models.invoices import (
    AdditionalStatus,
    Incident,
    Invoice,
    InvoiceEvent,
    InvoiceSource,
    InvoiceStatus,
    Quote,
)
from payments.models.payments import ConfirmationTier, Payment, PaymentStatus, UnclaimedTransfer
from payments.models.rates import RateObservation

__all__ = [
    "AdditionalStatus",
    "ConfirmationTier",
    "HeldDecision",
    "HeldDecisionKind",
    "Incident",
    "Invoice",
    "InvoiceEvent",
    "InvoiceSource",
    "InvoiceStatus",
    "Payment",
    "PaymentStatus",
    "Quote",
    "RateObservation",
    "UnclaimedTransfer",
]
