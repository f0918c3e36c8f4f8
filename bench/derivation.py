"""CPU seconds to derive 1,000 deposit addresses from a public key."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.figures import Figure, at_most
from bench.turns import cpu_seconds
from chains.derivation import Derived, derive_bitcoin, derive_evm, normalise_bitcoin, normalise_evm

# The account key that BIP-84 publishes.
KEY = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"
COUNT = 1000
ROUNDS = 5


def measure() -> Iterator[Figure]:
    """The three kinds in turns."""
    kinds = {"wpkh": _bitcoin("wpkh"), "tr": _bitcoin("tr"), "EVM": _evm()}
    works = [lambda derive=derive: [derive(index) for index in range(COUNT)] for derive in kinds.values()]
    for kind, seconds in zip(kinds, cpu_seconds(*works, rounds=ROUNDS), strict=True):
        yield at_most(f"{COUNT:,} addresses derived, {kind}", seconds, "s", 0.3)


def _bitcoin(shape: str) -> Callable[[int], Derived]:
    descriptor = normalise_bitcoin(f"{shape}({KEY}/0/*)", "main")
    return lambda index: derive_bitcoin(descriptor, index, "main")


def _evm() -> Callable[[int], Derived]:
    key = normalise_evm(KEY)
    return lambda index: derive_evm(key, index)
