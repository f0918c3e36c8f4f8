"""What a bank of Kazakhstan is called: a payment order names it beside its BIC, and some banks refuse an empty name."""

from __future__ import annotations


def bank_name(bic: str) -> str:
    """The name that the list of banks has for ``bic``, or the BIC itself where it knows none: the list is partly stale."""
    # Slow to import: it reads the banks of the world.
    from schwifty import BIC

    # One bank has one name: the last three characters of a BIC name only its branch.
    names = BIC(bic[:8], allow_invalid=True).bank_names
    return str(names[0]) if names else bic
