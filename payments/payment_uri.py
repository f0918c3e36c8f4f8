"""The URI in the QR: what a wallet needs to pay the right amount of the right asset on the right network.

Sources: BIP-21 (bitcoin:), ERC-681 (ethereum:, with the chain id and amounts as plain integers of the smallest unit).
"""

from __future__ import annotations

from alatau_pay.money import format_minor

SATOSHI_DECIMALS = 8


def bitcoin(address: str, amount_minor: int) -> str:
    """BIP-21: ``bitcoin:<address>?amount=<BTC>``, the amount in satoshi given as decimal bitcoin without an exponent."""
    return f"bitcoin:{address}?amount={format_minor(_positive(amount_minor), SATOSHI_DECIMALS, trim=True)}"


def evm_coin(address: str, amount_minor: int, *, chain_id: int) -> str:
    """ERC-681 for the network's coin: ``ethereum:<address>@<chain id>?value=<wei>``."""
    return f"ethereum:{address}@{chain_id}?value={_positive(amount_minor)}"


def evm_token(address: str, amount_minor: int, *, chain_id: int, contract: str) -> str:
    """ERC-681 for a token: a call of ``transfer(address,uint256)`` on its contract."""
    return f"ethereum:{contract}@{chain_id}/transfer?address={address}&uint256={_positive(amount_minor)}"


def _positive(amount_minor: int) -> int:
    if isinstance(amount_minor, bool) or not isinstance(amount_minor, int) or amount_minor <= 0:
        raise ValueError("a payment URI asks for a positive integer of smallest units")
    return amount_minor
