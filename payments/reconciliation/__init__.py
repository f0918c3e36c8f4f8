"""Comparing the books with the payments, the payments with the chains, and the payouts with the ledger and the statements.

``run`` asks the nodes outside any database transaction, then looks at the database in one read-only snapshot, then writes its
own rows: differences, each with both sides and an age. It changes nothing else.
"""
