"""What is owed in tenge, row by row. Each module holds the rows of one thing; this is where all of them are imported from."""

from settlements.models.ledger import Account, AccountKind, JournalEntry, Posting, Side
from settlements.models.rates import FeeSchedule, VatRate

__all__ = [
    "Account",
    "AccountKind",
    "FeeSchedule",
    "JournalEntry",
    "Posting",
    "Side",
    "VatRate",
]
