"""Taking a network back to an earlier block by hand, after a reorganisation deeper than the kept window."""

from __future__ import annotations

import logging

from chains import readers, reading, recording
from chains.models import Network

logger = logging.getLogger(__name__)


class CannotRewind(Exception):
    """The network cannot be taken back to that block. The message is for a person."""


def rewind(network_slug: str, *, height: int) -> None:
    """Set the network's cursor to the node's block at ``height`` and read from there again.

    Transfers above it become unmined until they are found again; none is lost or counted twice. A halt is lifted.

    Raises:
        CannotRewind: the block is above the cursor, or the node has none there.
        NodeUnavailable, NodeError, NodeWrongChain: the node gave no usable answer. Nothing is written.
    """
    network = Network.objects.get(pk=network_slug)
    if network.cursor_height is None or not 0 <= height <= network.cursor_height:
        raise CannotRewind(f"block {height} is not below the block we are at ({network.cursor_height})")
    reader = readers.choice_for(network).in_order()[0]
    headers = reading.first_headers(reader, window=recording.WINDOW, height=height)
    if not headers:
        raise CannotRewind(f"the node has no block {height}")
    recording.restart_at(network, headers)
    logger.warning("network taken back by hand to block %s", height, extra={"network": network_slug})
