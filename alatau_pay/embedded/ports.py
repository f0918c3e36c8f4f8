"""Free TCP ports on the loopback address."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """A port that nothing listens on: the preferred one if it is free, else one that the kernel picks.

    The port is free at the time of asking only; whoever binds it has to cope with losing that race.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on the port, on the loopback address and on all of them."""
    for address in (LOOPBACK, ""):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are only timing out counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def is_listening(port: int) -> bool:
    """Whether something accepts connections on the port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
