"""What the operator's and the merchants' wallets held on a network at one confirmed height, as a node says.

The height is one that stands as deep as the slowest stores ask for (and not above the network's finality tag); the block there
has to be the one that we have read. So the figures do not depend on when a node was asked, and two runs can be compared.

A wallet's coins lie at its deposit addresses, and elsewhere: a Bitcoin wallet takes its change at its change branch, and may
have been paid at an address that was never given out; a forwarder wallet is emptied into its treasury. Wallets that share a
treasury are one place: what lies there cannot be told apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from django.conf import settings

from chains.bitcoin import unspent
from chains.bitcoin.change import change_descriptor
from chains.derivation import derive_bitcoin
from chains.evm import forwarder
from chains.evm.balances_at import balances_at
from chains.head import questions
from chains.models import Block, DepositAddress, Network, NetworkKind, OnChainAsset, Wallet
from chains.nodes import (
    JsonRpcNode,
    NodeError,
    NodeUnavailable,
    NodeUnreachable,
    NodeWrongChain,
    node_names,
)
from chains.observation import Position

# How far past the addresses given out, and along the change branch, a Bitcoin wallet is looked for coins.
NOT_GIVEN_OUT_COUNT = 20
CHANGE_COUNT = 1000


class NotComparable(Exception):
    """Nothing can be said of the network now; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Balances:
    """What was held at ``position``, in smallest units; where nothing was held there is no key.

    ``deposits`` is by (deposit address number, asset code); ``elsewhere`` by (number of the place's first wallet, asset code).
    """

    position: Position
    deposits: Mapping[tuple[int, str], int]
    elsewhere: Mapping[tuple[int, str], int]


def places(wallets: Iterable[Wallet]) -> dict[int, int]:
    """For each wallet's number that of the first wallet of its place: wallets of a network that share a treasury are one."""
    first_by_treasury: dict[tuple[str, bytes], int] = {}
    found: dict[int, int] = {}
    for wallet in sorted(wallets, key=lambda each: each.pk):
        treasury = _treasury(wallet)
        first = (
            first_by_treasury.setdefault((wallet.network_id, treasury), wallet.pk) if treasury else wallet.pk
        )
        found[wallet.pk] = first
    return found


def read(network: Network) -> Balances:
    """What every wallet of ``network`` held at one confirmed height. Never call it inside a database transaction.

    Raises:
        NotComparable: the network is halted, was not read far enough, or no node gave a usable answer for that height.
    """
    position = confirmed_position(network)
    wallets = list(Wallet.objects.filter(network=network).order_by("pk"))
    try:
        if network.kind == NetworkKind.BITCOIN:
            return _read_bitcoin(network, position, wallets)
        return _read_evm(network, position, wallets)
    except (NodeUnavailable, NodeWrongChain, NodeError) as error:
        raise NotComparable(str(error)) from error


def confirmed_position(network: Network) -> Position:
    """The highest block that we have read and that nothing is expected to undo.

    Raises:
        NotComparable: there is none.
    """
    if network.halted_at is not None:
        raise NotComparable(f"the network is halted: {network.halted_reason}")
    if network.cursor_height is None:
        raise NotComparable("the network was not read yet")
    height = network.cursor_height - network.confirmations_low_speed + 1
    if network.finality_tag:
        height = min(height, -1 if network.final_height is None else network.final_height)
    block = Block.objects.filter(network=network, height=height).first()
    if block is None:
        raise NotComparable("no block that was read is confirmed yet")
    return Position(block.height, bytes(block.hash))


def check_still_ours(network: Network, position: Position) -> None:
    """Let figures pass that were asked for at ``position`` if that block is still ours in the caller's look at the database.

    Between the node's answer and that look a reorganisation may have taken away what the node counted. A block that is not kept
    any more because it lies too deep is ours.

    Raises:
        NotComparable: it is not, or the network was halted meanwhile.
    """
    now = Network.objects.get(pk=network.pk)
    if now.halted_at is not None:
        raise NotComparable(f"the network is halted: {now.halted_reason}")
    kept = Block.objects.filter(network=network, height=position.height).first()
    rewound = now.cursor_height is None or now.cursor_height < position.height
    if rewound or (kept is not None and bytes(kept.hash) != position.hash):
        raise NotComparable(f"we read another block at height {position.height} meanwhile")


def _treasury(wallet: Wallet) -> bytes:
    is_forwarder = forwarder.is_forwarder(wallet.public_key)
    return forwarder.parse(wallet.public_key).treasury if is_forwarder else b""


def _read_bitcoin(network: Network, position: Position, wallets: Sequence[Wallet]) -> Balances:
    urls: Sequence[str] = settings.NODE_URLS.get(network.slug, [])
    failure: Exception = NodeUnreachable("no node is set for this network (NODE_URLS)")
    for url, name in zip(urls, node_names(urls), strict=True):
        with closing(JsonRpcNode(url, timeout_seconds=unspent.SCAN_SECONDS_MAX, name=name)) as node:
            try:
                return _ask_bitcoin(node, network, position, wallets)
            except (NodeUnavailable, NodeWrongChain, NodeError) as error:
                failure = error
    raise failure


def _ask_bitcoin(
    node: JsonRpcNode, network: Network, position: Position, wallets: Sequence[Wallet]
) -> Balances:
    questions(network, node).head()  # raises when the node follows another chain
    ranges, elsewhere_scripts = _bitcoin_scripts(network, wallets)
    given_out = {
        bytes(key): number
        for key, number in DepositAddress.objects.filter(network=network).values_list("key", "pk").iterator()
    }
    found = unspent.scan(node, ranges) if ranges else None
    if found is None:
        return Balances(position, {}, {})
    if found.tip.height < position.height:
        raise NodeUnreachable(f"{node.name} has not reached height {position.height}")
    at, outputs = unspent.held_at(node, found, position.height, given_out.keys() | elsewhere_scripts.keys())
    if at != position:
        raise NodeUnreachable(f"{node.name} has another block at height {position.height}")
    coin = OnChainAsset.objects.get(network=network, contract__isnull=True).code
    deposits: defaultdict[tuple[int, str], int] = defaultdict(int)
    elsewhere: defaultdict[tuple[int, str], int] = defaultdict(int)
    for output in outputs:
        if output.script in given_out:
            deposits[given_out[output.script], coin] += output.amount_sat
        else:
            elsewhere[elsewhere_scripts[output.script], coin] += output.amount_sat
    return Balances(position, dict(deposits), dict(elsewhere))


def _bitcoin_scripts(network: Network, wallets: Sequence[Wallet]) -> tuple[dict[str, int], dict[bytes, int]]:
    """How many scripts of which descriptor to look for, and whose those are that are no deposit address given out."""
    ranges: dict[str, int] = {}
    elsewhere: dict[bytes, int] = {}
    for wallet in wallets:
        branches = [(wallet.public_key, wallet.next_index, wallet.next_index + NOT_GIVEN_OUT_COUNT)]
        if change := change_descriptor(wallet.public_key):
            branches.append((change, 0, CHANGE_COUNT))
        for descriptor, first, end in branches:
            ranges[descriptor] = end
            for index in range(first, end):
                elsewhere[derive_bitcoin(descriptor, index, network.bitcoin_chain).key] = wallet.pk
    return ranges, elsewhere


def _read_evm(network: Network, position: Position, wallets: Sequence[Wallet]) -> Balances:
    assets = list(OnChainAsset.objects.filter(network=network).order_by("code"))
    given_out = [
        (number, bytes(key))
        for number, key in DepositAddress.objects.filter(network=network)
        .order_by("pk")
        .values_list("pk", "key")
        .iterator()
    ]
    treasuries: dict[bytes, int] = {}
    for wallet in wallets:
        if treasury := _treasury(wallet):
            treasuries.setdefault(treasury, wallet.pk)
    asked = [(key, asset) for _, key in given_out for asset in assets]
    asked += [(key, asset) for key in treasuries for asset in assets]
    owners = [(number, asset.code) for number, _ in given_out for asset in assets]
    places_asked = [(number, asset.code) for number in treasuries.values() for asset in assets]
    amounts = balances_at(network, position, asked)
    held = list(zip([*owners, *places_asked], amounts, strict=True))
    return Balances(
        position,
        {owner: amount for owner, amount in held[: len(owners)] if amount},
        {place: amount for place, amount in held[len(owners) :] if amount},
    )
