"""Which node to ask: a network's nodes in order of preference, those that failed lately last.

Readers live as long as the process and hold connections and caches, nothing that matters.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from django.conf import settings

from chains import watched
from chains.bitcoin.announcements import Announcements
from chains.bitcoin.mempool import Listing, MempoolView
from chains.bitcoin.reader import BitcoinReader
from chains.bitcoin.rpc import BitcoinRpc
from chains.evm.reader import EvmReader
from chains.evm.rpc import EvmRpc
from chains.models import Network, NetworkKind, OnChainAsset
from chains.nodes import JsonRpcNode, NodeUnreachable, node_names
from chains.observation import ChainReader, Position
from chains.transfer_inputs import KeptInputs

logger = logging.getLogger(__name__)

# Up to so many addresses a node is asked for transfers to them alone; above, for all transfers of the tokens.
FEW_RECIPIENTS = 64

_RETRY_SECONDS_FIRST = 1.0
_RETRY_SECONDS_MAX = 30.0
# What nodes announce within so long is read in one step.
TOGETHER_SECONDS = 0.02


@dataclass(slots=True)
class _Candidate:
    reader: ChainReader
    node: JsonRpcNode
    announcements: Announcements | None = None
    failures: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class NodeChoice:
    """The nodes of one network."""

    fingerprint: tuple[object, ...]
    candidates: list[_Candidate] = field(default_factory=list)
    # Only what this one announces is heard step by step; what the others do waits until they are read.
    _asked_last: _Candidate | None = None

    def in_order(self, doubted: Collection[str] = ()) -> list[ChainReader]:
        """Readers to try now: by preference; behind the others those named in ``doubted`` and those that failed lately."""
        now = time.monotonic()

        def place(candidate: _Candidate) -> tuple[bool, bool, float]:
            is_resting = candidate.retry_at > now
            return is_resting, candidate.reader.name in doubted, candidate.retry_at if is_resting else 0.0

        # Sorting keeps the order of preference among those that are alike.
        return [candidate.reader for candidate in sorted(self.candidates, key=place)]

    def failed(self, reader: ChainReader, error: Exception) -> None:
        """``reader`` gave no usable answer: the others go first for a while, longer each time."""
        candidate = self._candidate(reader)
        if candidate.failures == 0:
            logger.warning("node %s failed, others go first for a while: %s", reader.name, error)
        # The exponent is bounded: a node that is down for weeks must not make a number that no float holds.
        pause = min(_RETRY_SECONDS_MAX, _RETRY_SECONDS_FIRST * 2 ** min(candidate.failures, 10))
        candidate.failures += 1
        candidate.retry_at = time.monotonic() + pause

    def answered(self, reader: ChainReader) -> None:
        """``reader`` gave a usable answer."""
        candidate = self._candidate(reader)
        if candidate.failures:
            logger.warning("node %s answers again", reader.name)
        candidate.failures, candidate.retry_at = 0, 0.0
        self._asked_last = candidate

    def wait_for_news(self, seconds: float, sleep: Callable[[float], object]) -> None:
        """Wait so long, or until the node that is read announces something. ``sleep`` waits where it cannot."""
        source = self._asked_last.announcements if self._asked_last is not None else None
        if source is None:
            sleep(seconds)
            return
        # A moment first, so that what is announced together is read together.
        sleep(min(seconds, TOGETHER_SECONDS))
        source.wait(seconds - TOGETHER_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        for candidate in self.candidates:
            candidate.node.close()
            if candidate.announcements is not None:
                candidate.announcements.close()

    def _candidate(self, reader: ChainReader) -> _Candidate:
        return next(candidate for candidate in self.candidates if candidate.reader is reader)


_choices: dict[str, NodeChoice] = {}


def choice_for(network: Network) -> NodeChoice:
    """The nodes of ``network``, with the connections and caches that this process has.

    Raises:
        NodeUnreachable: the settings name no node for the network.
    """
    urls: Sequence[str] = settings.NODE_URLS.get(network.slug, [])
    if not urls:
        raise NodeUnreachable("no node is set for this network (NODE_URLS)")
    contracts, reads_coin = _admitted(network)
    # The first announces what the first node hears, and so on.
    zmq_urls: Sequence[str] = settings.NODE_ZMQ_URLS.get(network.slug, [])
    fingerprint = (
        tuple(urls),
        tuple(zmq_urls),
        network.kind,
        network.bitcoin_chain,
        network.chain_id,
        network.anchor_height,
        network.anchor_hash_hex,
        contracts,
        reads_coin,
        network.finality_tag,
        network.confirmations_low_speed,
        settings.EVM_TRACES,
    )
    choice = _choices.get(network.slug)
    if choice is None or choice.fingerprint != fingerprint:
        if choice is not None:
            choice.close()
        nodes = [
            JsonRpcNode(url, timeout_seconds=settings.NODE_TIMEOUT_SECONDS, name=name)
            for url, name in zip(urls, node_names(urls), strict=True)
        ]
        candidates = [
            _candidate(network, node, contracts, zmq_url, reads_coin=reads_coin)
            for node, zmq_url in zip_longest(nodes, zmq_urls[: len(nodes)])
        ]
        choice = NodeChoice(fingerprint, candidates)
        _choices[network.slug] = choice
    return choice


def wait_for_news(network_slug: str, seconds: float, sleep: Callable[[float], object]) -> None:
    """Wait so long, or until a node of the network announces something to this process."""
    choice = _choices.get(network_slug)
    if choice is None:
        sleep(seconds)
    else:
        choice.wait_for_news(seconds, sleep)


def forget(network_slug: str) -> None:
    """Close what this process holds open to the network's nodes."""
    choice = _choices.pop(network_slug, None)
    if choice is not None:
        choice.close()


def _admitted(network: Network) -> tuple[frozenset[bytes], bool]:
    """The token contracts that have an asset on the network, and whether its coin has one."""
    contracts = list(OnChainAsset.objects.filter(network=network).values_list("contract", flat=True))
    return frozenset(bytes(contract) for contract in contracts if contract), None in contracts


def _candidate(
    network: Network, node: JsonRpcNode, contracts: frozenset[bytes], zmq_url: str | None, *, reads_coin: bool
) -> _Candidate:
    anchor = Position(network.anchor_height, bytes.fromhex(network.anchor_hash_hex.removeprefix("0x")))
    if network.kind == NetworkKind.BITCOIN:
        rpc, heard = BitcoinRpc(node), Announcements(zmq_url) if zmq_url else None
        listing = Listing(settings.MEMPOOL_SMALL_COUNT, settings.MEMPOOL_LISTED_EVERY_SECONDS)
        reader = BitcoinReader(
            rpc,
            chain=network.bitcoin_chain,
            anchor=anchor,
            spent_by_ours=KeptInputs(network.slug),
            mempool=MempoolView(rpc, heard, listing),
        )
        return _Candidate(reader, node, heard)
    assert network.chain_id is not None  # the database refuses an EVM network without one
    evm_reader = EvmReader(
        EvmRpc(node),
        chain_id=network.chain_id,
        anchor=anchor,
        contracts=contracts,
        finality_tag=network.finality_tag,
        final_depth=network.confirmations_low_speed,
        recipients=lambda: watched.few(network.slug, at_most=FEW_RECIPIENTS),
        wants_traces=settings.EVM_TRACES,
        reads_coin=reads_coin,
    )
    return _Candidate(evm_reader, node)
