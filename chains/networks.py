"""Adding networks, their coins and tokens: facts of the chain are read from the chain and compared, never only typed.

Questions to nodes are functions of their own, asked before and outside the database transaction that adds the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from chains.evm.token_contract import Token, parse_address, read_token
from chains.models import Network, NetworkKind, OnChainAsset
from chains.nodes import Call, JsonRpcNode, NodeUnreachable, node_names, raise_first_error
from chains.presets import NetworkPreset

HASH_HEX_LENGTH = 64


class NetworkRefused(ValueError):
    """The network or token cannot be added so. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The block that tells a chain from all others: its height and its big-endian hash in hex, without 0x."""

    height: int
    hash_hex: str


def read_anchor(slug: str, preset: NetworkPreset) -> Anchor:
    """The anchor of ``preset`` as every node says that the settings name for ``slug``. Never in a database transaction.

    Raises:
        NetworkRefused: a node follows another chain than the preset or than another node, or no node is set.
        NodeUnavailable, NodeError: none of them, or one of them, gave no usable answer.
    """
    urls: Sequence[str] = settings.NODE_URLS.get(slug, [])
    if not urls:
        raise NetworkRefused(f"No node is set for {slug}: add {slug}=http://… to NODE_URLS.")
    found = ""
    for url, name in zip(urls, node_names(urls), strict=True):
        with closing(JsonRpcNode(url, timeout_seconds=settings.NODE_TIMEOUT_SECONDS, name=name)) as node:
            hash_hex = _anchor_hash_hex(node, preset)
        expected = preset.anchor_hash_hex or found or hash_hex
        if hash_hex != expected:
            raise NetworkRefused(
                f"{name} follows another chain: its block {preset.anchor_height} is {hash_hex}, not {expected}."
            )
        found = hash_hex
    return Anchor(preset.anchor_height, found)


def fault(preset: NetworkPreset, *, slug: str) -> str:
    """Why the network cannot be added, as far as the database tells; empty when nothing speaks against it."""
    if Network.objects.filter(pk=slug).exists():
        return f"There is a network {slug} already."
    if OnChainAsset.objects.filter(pk=preset.coin_code).exists():
        return f"There is an asset {preset.coin_code} already."
    return ""


def add_network(
    preset: NetworkPreset,
    *,
    slug: str = "",
    name: str = "",
    coin_code: str = "",
    anchor: Anchor | None = None,
) -> Network:
    """Add the network of ``preset`` with its coin, in one database transaction. The coin is admitted by nobody yet.

    ``slug``, ``name`` and ``coin_code`` are the preset's where they are empty. ``anchor`` is as
    ``read_anchor`` found it; without it the preset's own is taken, where it has one.

    Raises:
        NetworkRefused: it is there already, its coin's code is taken, or nobody said what its anchor is.
    """
    slug = slug or preset.slug
    hash_hex = anchor.hash_hex if anchor else preset.anchor_hash_hex
    if len(hash_hex) != HASH_HEX_LENGTH:
        raise NetworkRefused("This network's first block must be read from its node.")
    if preset.anchor_hash_hex and hash_hex != preset.anchor_hash_hex:
        raise NetworkRefused(f"{hash_hex} is not block {preset.anchor_height} of {preset.name}.")
    height = anchor.height if anchor else preset.anchor_height
    network = _network_row(preset, slug, name, Anchor(height, hash_hex))
    coin = OnChainAsset(
        code=coin_code or preset.coin_code,
        symbol=preset.coin_symbol,
        name=preset.coin_name,
        network=network,
        decimals=preset.coin_decimals,
        quote_decimals=preset.quote_decimals,
    )
    with transaction.atomic():
        _add(network)
        _add(coin)
    return network


def look_at_token(network: Network, address: str) -> Token:
    """What the contract at ``address`` (as a person pasted it) says of itself. Never in a database transaction.

    Raises:
        NetworkRefused: the network has no contracts, or no node is set for it.
        TokenRefused: not an address, or no token there. NodeUnreachable: no node gave a usable answer.
    """
    urls: Sequence[str] = settings.NODE_URLS.get(network.slug, [])
    if network.kind != NetworkKind.EVM or network.chain_id is None or not urls:
        raise NetworkRefused("This network has no contracts, or no node is set for it.")
    contract = parse_address(address)
    for url in urls[:-1]:
        try:
            return _token(url, contract, network.chain_id)
        except NodeUnreachable:
            continue  # the next node may answer; what the last one says stands
    return _token(urls[-1], contract, network.chain_id)


def check_token(token: Token, *, decimals: int, symbol: str) -> None:
    """Compare what a person says of a token with what its contract says. ``symbol`` is the contract's own, to the letter.

    Raises:
        NetworkRefused: they differ; the person may have pasted another token's contract.
    """
    if decimals != token.decimals:
        raise NetworkRefused(f"The contract says {token.decimals} decimals, not {decimals}.")
    if symbol != token.symbol:
        raise NetworkRefused(f"The contract calls itself “{token.symbol}”, not “{symbol}”.")


def add_token(
    network: Network, token: Token, *, code: str, symbol: str, name: str, quote_decimals: int
) -> OnChainAsset:
    """Add ``token`` (``look_at_token``) to ``network`` under our own ``code``, ``symbol`` and ``name``.

    Raises:
        NetworkRefused: the code or the contract is there already, or a value is out of its range.
    """
    asset = OnChainAsset(
        code=code,
        symbol=symbol,
        name=name,
        network=network,
        contract=token.contract,
        decimals=token.decimals,
        quote_decimals=quote_decimals,
    )
    _add(asset)
    return asset


def _network_row(preset: NetworkPreset, slug: str, name: str, anchor: Anchor) -> Network:
    high, medium, low_medium, low = preset.confirmations
    return Network(
        slug=slug,
        name=name or preset.name,
        kind=NetworkKind.EVM if preset.chain_id is not None else NetworkKind.BITCOIN,
        bitcoin_chain=preset.bitcoin_chain,
        chain_id=preset.chain_id,
        anchor_height=anchor.height,
        anchor_hash_hex=anchor.hash_hex,
        block_seconds=preset.block_seconds,
        finality_tag=preset.finality_tag,
        confirmations_high_speed=high,
        confirmations_medium_speed=medium,
        confirmations_low_medium_speed=low_medium,
        confirmations_low_speed=low,
        explorer_txid_url=preset.explorer_txid_url,
    )


def _add(row: Network | OnChainAsset) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise NetworkRefused(" ".join(error.messages)) from None
    row.save(force_insert=True)


def _token(url: str, contract: bytes, chain_id: int) -> Token:
    return read_token(url, contract, chain_id=chain_id, timeout_seconds=settings.NODE_TIMEOUT_SECONDS)


def _anchor_hash_hex(node: JsonRpcNode, preset: NetworkPreset) -> str:
    if preset.chain_id is None:
        (answer,) = _answers(node, [("getblockhash", [preset.anchor_height])])
    else:
        height = hex(preset.anchor_height)
        chain_id, block = _answers(node, [("eth_chainId", []), ("eth_getBlockByNumber", [height, False])])
        if chain_id != hex(preset.chain_id):
            raise NetworkRefused(f"{node.name} is not a node of chain {preset.chain_id}: it says {chain_id}.")
        answer = block.get("hash") if isinstance(block, dict) else None
    hash_hex = str(answer).removeprefix("0x").lower()
    if len(hash_hex) != HASH_HEX_LENGTH:
        raise NodeUnreachable(f"{node.name}: does not say what its block {preset.anchor_height} is")
    return hash_hex


def _answers(node: JsonRpcNode, calls: Sequence[Call]) -> list[object]:
    results = node.batch(calls)
    raise_first_error(results)
    return results
