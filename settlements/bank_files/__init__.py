"""Payment files as banks of Kazakhstan take them: from a PaymentBatch to bytes, the same bytes every time. Pure."""
