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
from payments.models.rates import RateAlarm, RateAlarmKind, RateObservation, RateSourceState
from payments.models.reconciliation import (
    Comparison,
    Difference,
    DifferenceKind,
    PlaceBalance,
    ReconciliationRun,
    RunStatus,
)
from payments.models.refunds import (
    UNSENT,
    Refund,
    RefundBasis,
    RefundBatch,
    RefundBatchKind,
    RefundNetworkFee,
    RefundSource,
    RefundStatus,
)

__all__ = [
    "AdditionalStatus",
    "Comparison",
    "ConfirmationTier",
    "Difference",
    "DifferenceKind",
    "HeldDecision",
    "HeldDecisionKind",
    "Incident",
    "Invoice",
    "InvoiceEvent",
    "InvoiceSource",
    "InvoiceStatus",
    "Payment",
    "PaymentStatus",
    "PlaceBalance",
    "Quote",
    "RateAlarm",
    "RateAlarmKind",
    "RateObservation",
    "RateSourceState",
    "ReconciliationRun",
    "Refund",
    "RefundBasis",
    "RefundBatch",
    "RefundBatchKind",
    "RefundNetworkFee",
    "RefundSource",
    "RefundStatus",
    "RunStatus",
    "UNSENT",
    "UnclaimedTransfer",
]
