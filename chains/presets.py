"""The networks that can be added by name, as plain facts. Pure.

A preset's anchor is its genesis block: public, and the same on every honest node. Where none is known here (a local chain makes a
new one each time) it is read from the node when the network is added, and shown to the person. Confirmations are those of the
four speed policies, fastest first; with a finality tag they are only the least: nothing above the tag's block is ever confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkPreset:
    """One network. ``anchor_hash_hex`` is its block at ``anchor_height``, big-endian without 0x, empty when a node is to say.

    ``chain_id`` is None on Bitcoin, ``bitcoin_chain`` empty on EVM networks. ``coin_decimals`` are the coin's own,
    ``quote_decimals`` those that an amount due is rounded up to.
    """

    slug: str
    name: str
    bitcoin_chain: str
    chain_id: int | None
    anchor_hash_hex: str
    block_seconds: int
    finality_tag: str
    confirmations: tuple[int, int, int, int]
    coin_code: str
    coin_symbol: str
    coin_name: str
    coin_decimals: int
    quote_decimals: int
    explorer_txid_url: str = ""
    anchor_height: int = 0


def _bitcoin(
    chain: str, name: str, genesis: str, explorer: str, confirmations: tuple[int, int, int, int]
) -> NetworkPreset:
    suffix = "" if chain == "main" else f"-{chain}"
    return NetworkPreset(
        slug=f"bitcoin{suffix}",
        name=name,
        bitcoin_chain=chain,
        chain_id=None,
        anchor_hash_hex=genesis,
        block_seconds=600,
        finality_tag="",
        confirmations=confirmations,
        coin_code="BTC" if chain == "main" else f"BTC-{chain.upper()}",
        coin_symbol="BTC",
        coin_name="Bitcoin",
        coin_decimals=8,
        quote_decimals=8,
        explorer_txid_url=explorer,
    )


def _evm(
    slug: str,
    name: str,
    *,
    chain_id: int,
    genesis: str,
    block_seconds: int,
    finality_tag: str,
    confirmations: tuple[int, int, int, int],
    coin: tuple[str, str, str] = ("ETH", "ETH", "Ether"),
    explorer: str = "",
    anchor_height: int = 0,
) -> NetworkPreset:
    code, symbol, coin_name = coin
    return NetworkPreset(
        slug=slug,
        name=name,
        bitcoin_chain="",
        chain_id=chain_id,
        anchor_hash_hex=genesis,
        block_seconds=block_seconds,
        finality_tag=finality_tag,
        confirmations=confirmations,
        coin_code=code,
        coin_symbol=symbol,
        coin_name=coin_name,
        coin_decimals=18,
        quote_decimals=7,
        explorer_txid_url=explorer,
        anchor_height=anchor_height,
    )


_ALL = (
    _bitcoin(
        "main",
        "Bitcoin",
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "https://mempool.space/tx/{txid}",
        (0, 1, 2, 6),
    ),
    _bitcoin(
        "test",
        "Bitcoin (testnet)",
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        "https://mempool.space/testnet/tx/{txid}",
        (0, 1, 2, 6),
    ),
    _bitcoin(
        "signet",
        "Bitcoin (signet)",
        "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
        "https://mempool.space/signet/tx/{txid}",
        (0, 1, 2, 6),
    ),
    _bitcoin(
        "regtest",
        "Bitcoin (regtest)",
        "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        "",
        (1, 1, 2, 6),
    ),
    _evm(
        "ethereum",
        "Ethereum",
        chain_id=1,
        genesis="d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
        block_seconds=12,
        finality_tag="finalized",
        confirmations=(1, 3, 12, 32),
        explorer="https://etherscan.io/tx/{txid}",
    ),
    _evm(
        "polygon",
        "Polygon",
        chain_id=137,
        genesis="a9c28ce2141b56c474f1dc504bee9b01eb1bd7d1a507580d5519d4437a97de1b",
        block_seconds=2,
        finality_tag="finalized",
        confirmations=(2, 16, 64, 128),
        coin=("POL", "POL", "POL"),
        explorer="https://polygonscan.com/tx/{txid}",
    ),
    _evm(
        "bnb",
        "BNB Chain",
        chain_id=56,
        genesis="0d21840abff46b96c84b2ac9e10e4f5cdaeb5693cb665db62a2f3b02d2d57b5b",
        block_seconds=1,
        finality_tag="finalized",
        confirmations=(2, 5, 15, 30),
        coin=("BNB", "BNB", "BNB"),
        explorer="https://bscscan.com/tx/{txid}",
    ),
    # Rollups: "safe" is what has been written to Ethereum; before that one operator's word is all there is.
    _evm(
        "arbitrum",
        "Arbitrum One",
        chain_id=42161,
        genesis="7ee576b35482195fc49205cec9af72ce14f003b9ae69f6ba0faef4514be8b442",
        block_seconds=1,
        finality_tag="safe",
        confirmations=(1, 20, 60, 120),
        coin=("ETH-ARBITRUM", "ETH", "Ether"),
        explorer="https://arbiscan.io/tx/{txid}",
    ),
    _evm(
        "optimism",
        "OP Mainnet",
        chain_id=10,
        genesis="7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b",
        block_seconds=2,
        finality_tag="safe",
        confirmations=(1, 10, 30, 60),
        coin=("ETH-OPTIMISM", "ETH", "Ether"),
        explorer="https://optimistic.etherscan.io/tx/{txid}",
    ),
    _evm(
        "base",
        "Base",
        chain_id=8453,
        genesis="f712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd",
        block_seconds=2,
        finality_tag="safe",
        confirmations=(1, 10, 30, 60),
        coin=("ETH-BASE", "ETH", "Ether"),
        explorer="https://basescan.org/tx/{txid}",
    ),
    _evm(
        "local-evm",
        "EVM (development)",
        chain_id=31337,
        genesis="",
        block_seconds=12,
        finality_tag="",
        confirmations=(1, 1, 2, 6),
        coin=("ETH-LOCAL", "ETH", "Ether"),
        # A development chain that is started again makes its genesis block anew; the blocks after it, it keeps.
        anchor_height=1,
    ),
)

PRESETS = {preset.slug: preset for preset in _ALL}
