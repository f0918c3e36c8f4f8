"""Where a wallet's own change goes: the descriptor beside its receive branch. Pure. Sources: BIP-44, BIP-380, BIP-389."""

from __future__ import annotations

from dataclasses import replace

from embit.descriptor.checksum import checksum

from chains.descriptors import read_descriptor

_RECEIVE, _CHANGE = 0, 1


def change_descriptor(descriptor: str) -> str | None:
    """The change branch (``…/1/*``) of a normalised descriptor of the receive branch (``…/0/*``), with its checksum.

    None where a key's path does not end as BIP-44 says: then nobody knows which addresses its wallet takes change at.

    Raises:
        KeyRefused: the descriptor is damaged.
    """
    parsed = read_descriptor(descriptor)
    if any(not key.steps or key.steps[-1] != _RECEIVE for key in parsed.keys):
        return None
    keys = tuple(replace(key, steps=(*key.steps[:-1], _CHANGE)) for key in parsed.keys)
    body = str(replace(parsed, keys=keys))
    return f"{body}#{checksum(body)}"
