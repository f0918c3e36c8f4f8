"""Deposit addresses from public keys: the only module that talks to embit about keys.

Pure. embit does the curve and the hashes; what it does not check is checked here: descriptor checksums, networks, SLIP-132
prefixes, and which script shapes are admitted (a shape that anyone could spend never gets in, because the shapes are a list).
Sources: BIP-32, 44, 49, 84, 86, 380 to 386, 389, SLIP-132, EIP-55.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from embit import base58, ec, script
from embit.base import EmbitError
from embit.bip32 import HARDENED_INDEX, HDKey
from embit.descriptor.checksum import checksum
from embit.networks import NETWORKS
from embit.util import secp256k1

from chains.evm.addresses import address_of_public_key, checksum_address
from chains.key_guard import KeyRefused, refuse_private

__all__ = [
    "Derived",
    "KeyRefused",
    "derive_bitcoin",
    "derive_evm",
    "normalise_bitcoin",
    "normalise_evm",
    "require_fast_library",
]

BITCOIN_CHAINS = ("main", "test", "signet", "regtest")
TEXT_LENGTH_MAX = 4000
MULTISIG_KEYS_MAX = 15

# SLIP-132: version bytes → (main network?, the script the prefix promises; "" promises nothing).
_VERSIONS: dict[bytes, tuple[bool, str]] = {
    bytes(NETWORKS[network][name]): (network == "main", shape)
    for network in ("main", "test")
    for name, shape in (
        ("xpub", ""),
        ("ypub", "sh(wpkh)"),
        ("zpub", "wpkh"),
        ("Ypub", "sh(wsh(sortedmulti))"),
        ("Zpub", "wsh(sortedmulti)"),
    )
}
_SHAPE_BY_PURPOSE = {"44": "pkh", "49": "sh(wpkh)", "84": "wpkh", "86": "tr"}

_ORIGIN = r"\[[0-9a-f]{8}(?:/[0-9]{1,10}h?)*\]"
_KEY = rf"(?:{_ORIGIN})?[A-Za-z]pub[1-9A-HJ-NP-Za-km-z]{{90,120}}(?:/(?:[0-9]{{1,10}}|<[0-9]{{1,10}};[0-9]{{1,10}}>))*/\*"
_SINGLE = re.compile(rf"(pkh|wpkh|tr)\(({_KEY})\)|sh\((wpkh)\(({_KEY})\)\)")
_MULTISIG = re.compile(rf"(sh\()?wsh\(sortedmulti\(([0-9]{{1,2}})((?:,{_KEY})+)\)\)(\)?)")
_KEY_PARTS = re.compile(rf"({_ORIGIN})?([A-Za-z]pub[1-9A-HJ-NP-Za-km-z]+)(/[0-9/<>;]*)?(/\*)?")
_CHECKSUM_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Derived:
    """A deposit address: as people read it, and as the chain shows it (scriptPubKey, or the 20-byte address)."""

    address: str
    key: bytes


@dataclass(frozen=True, slots=True)
class _Key:
    """One extended public key of a descriptor: where it came from, the key, and the steps to its receive branch."""

    origin: str
    extended: str
    steps: tuple[int, ...]

    def __str__(self) -> str:
        return self.origin + self.extended + "".join(f"/{step}" for step in self.steps) + "/*"


@dataclass(frozen=True, slots=True)
class _Descriptor:
    shape: str
    threshold: int
    keys: tuple[_Key, ...]

    def __str__(self) -> str:
        if "sortedmulti" in self.shape:
            inner = f"{self.threshold}," + ",".join(map(str, self.keys))
            return self.shape.replace("sortedmulti", f"sortedmulti({inner})")
        if self.shape == "sh(wpkh)":
            return f"sh(wpkh({self.keys[0]}))"
        return f"{self.shape}({self.keys[0]})"


def require_fast_library() -> None:
    """Return when embit uses its compiled secp256k1.

    Raises:
        RuntimeError: it fell back to pure Python, some 100 times slower: invoices would take seconds.
    """
    if secp256k1.ec_pubkey_add.__module__ != "embit.util.ctypes_secp256k1":
        raise RuntimeError("embit found no compiled libsecp256k1 for this platform")


def normalise_bitcoin(text: str, chain: str) -> str:
    """The output descriptor, with checksum, of an extended public key or descriptor that a person pasted.

    ``chain`` is main, test, signet or regtest. A bare key takes the script its prefix or its key origin names, else
    native SegWit. A multipath ``<0;1>`` is narrowed to its receive branch.

    Raises:
        KeyRefused: with a sentence for the person; nothing of ``text`` is in it.
    """
    text = _clean(text)
    descriptor = _read_descriptor(text) if "(" in text else _read_bare_bitcoin_key(text)
    normal = _normal_descriptor(descriptor, chain)
    body = str(normal)
    return f"{body}#{checksum(body)}"


def derive_bitcoin(descriptor: str, index: int, chain: str) -> Derived:
    """Address and scriptPubKey number ``index`` of a descriptor made by ``normalise_bitcoin``.

    Raises:
        KeyRefused: the descriptor is damaged. ValueError: the index is not in 0..2^31-1 or the chain is unknown.
    """
    if chain not in BITCOIN_CHAINS:
        raise ValueError(f"unknown Bitcoin chain: {chain!r}")
    output = _script_maker(descriptor)(_checked_index(index))
    return Derived(address=output.address(NETWORKS[chain]), key=bytes(output.data))


def normalise_evm(text: str) -> str:
    """The extended public key, with the path to its addresses (``xpub…/0/*``), of what a person pasted.

    A bare key is read by its depth: the account key (m/44'/60'/0') gives ``/0/*``, its receive branch ``/*``.

    Raises:
        KeyRefused: with a sentence for the person; nothing of ``text`` is in it.
    """
    key = _bare_key(_clean(text))
    parsed = _parse_extended(key.extended)
    if _VERSIONS[parsed.version][1]:
        raise KeyRefused(
            "This is a Bitcoin key (ypub, zpub). Paste the extended public key (xpub) of an Ethereum account."
        )
    if not key.steps and not _ends_with_star(text):
        key = _Key("", key.extended, () if parsed.depth >= 4 else (0,))
    return str(_Key("", parsed.to_base58(version=NETWORKS["main"]["xpub"]), key.steps))


def derive_evm(xpub: str, index: int) -> Derived:
    """Checksum address and 20 bytes number ``index`` of a key made by ``normalise_evm``.

    Raises:
        KeyRefused: the key is damaged. ValueError: the index is not in 0..2^31-1.
    """
    child = _evm_branch(xpub).child(_checked_index(index))
    uncompressed = ec.PublicKey(child.key._point, compressed=False).sec()
    address = address_of_public_key(uncompressed[1:])
    return Derived(address=checksum_address(address), key=address)


def _clean(text: str) -> str:
    """``text`` without white space and with one spelling of hardened steps, once the guard has let it pass."""
    if len(text) > TEXT_LENGTH_MAX:
        raise KeyRefused("This is too long for a public key or a descriptor.")
    refuse_private(text)
    cleaned = "".join(text.split())
    if not cleaned:
        raise KeyRefused("Paste an extended public key (xpub …) or an output descriptor.")
    if not cleaned.isascii():
        raise KeyRefused("This is not a public key: it has letters that no key has.")
    return cleaned


def _ends_with_star(text: str) -> bool:
    return "".join(text.split()).endswith("/*")


def _read_descriptor(text: str) -> _Descriptor:
    body = _without_checksum(text)
    body = re.sub(r"(?<=[0-9])['H](?=[/\]])", "h", body)
    body = re.sub(r"\[[0-9A-Fa-f]{8}", lambda match: match.group().lower(), body)
    if "*h" in body or "*'" in body:
        raise KeyRefused(
            "This descriptor ends with a hardened step, which only the private key can derive. Use /*."
        )
    single = _SINGLE.fullmatch(body)
    if single:
        shape = single.group(1) or "sh(wpkh)"
        return _Descriptor(shape, 1, (_split_key(single.group(2) or single.group(4)),))
    multisig = _MULTISIG.fullmatch(body)
    if multisig and bool(multisig.group(1)) == bool(multisig.group(4)):
        return _read_multisig(multisig)
    raise KeyRefused(
        "This descriptor is not of an admitted form. Admitted are pkh, sh(wpkh), wpkh, tr, wsh(sortedmulti) and "
        "sh(wsh(sortedmulti)), each over extended public keys that end with /*."
    )


def _without_checksum(text: str) -> str:
    body, separator, given = text.partition("#")
    if separator and (len(given) != _CHECKSUM_LENGTH or given != _checksum(body)):
        raise KeyRefused(
            "The descriptor's checksum (after #) does not fit: a character is wrong or missing. Copy it again."
        )
    return body


def _checksum(body: str) -> str:
    try:
        return str(checksum(body))
    except ValueError:  # a character that no descriptor has
        return ""


def _read_multisig(match: re.Match[str]) -> _Descriptor:
    threshold = int(match.group(2))
    keys = tuple(_split_key(part) for part in match.group(3)[1:].split(","))
    if not 1 <= threshold <= len(keys) <= MULTISIG_KEYS_MAX:
        raise KeyRefused(
            f"A multi-signature wallet needs 1 to {MULTISIG_KEYS_MAX} keys and no more signatures than keys."
        )
    return _Descriptor("sh(wsh(sortedmulti))" if match.group(1) else "wsh(sortedmulti)", threshold, keys)


def _split_key(text: str) -> _Key:
    match = _KEY_PARTS.fullmatch(text)
    if match is None:
        raise KeyRefused("This is not an extended public key (xpub …) or an output descriptor.")
    origin, extended, steps, _ = match.groups()
    numbers = [_receive_step(step) for step in (steps or "").split("/")[1:] if step]
    if any(number >= HARDENED_INDEX for number in numbers):
        raise KeyRefused("A step of the key's path is too large.")
    return _Key(origin or "", extended, tuple(numbers))


def _receive_step(step: str) -> int:
    """The number of a path step; of ``<0;1>`` the first, which by BIP-389 is where money is received."""
    try:
        return int(step.strip("<>").split(";")[0])
    except ValueError:
        raise KeyRefused("This is not an extended public key (xpub …) or an output descriptor.") from None


def _bare_key(text: str) -> _Key:
    text = re.sub(r"(?<=[0-9])['H](?=[/\]])", "h", text)
    return _split_key(re.sub(r"\[[0-9A-Fa-f]{8}", lambda match: match.group().lower(), text))


def _read_bare_bitcoin_key(text: str) -> _Descriptor:
    key = _bare_key(text)
    shape = _VERSIONS[_parse_extended(key.extended).version][1] or _shape_by_origin(key.origin)
    if "sortedmulti" in shape:
        raise KeyRefused(
            "This key belongs to a multi-signature wallet. Paste the wallet's whole output descriptor."
        )
    if not key.steps and not _ends_with_star(text):
        key = _Key(key.origin, key.extended, (0,))
    return _Descriptor(shape, 1, (key,))


def _shape_by_origin(origin: str) -> str:
    """The script that a key's origin names ([…/86h/0h/0h] is Taproot), else native SegWit."""
    match = re.match(r"\[[0-9a-f]{8}/([0-9]+)h", origin)
    return _SHAPE_BY_PURPOSE.get(match.group(1), "wpkh") if match else "wpkh"


def _parse_extended(text: str) -> HDKey:
    """The key itself.

    Raises:
        KeyRefused: not a key of BIP-32 (all of its invalid vectors end here), or a version nobody knows.
    """
    try:
        key = HDKey.parse(base58.decode_check(text))
    except (ValueError, IndexError, EmbitError):
        raise KeyRefused(
            "This extended public key is damaged: a character is wrong or missing. Copy it again."
        ) from None
    if key.is_private or key.version not in _VERSIONS:
        raise KeyRefused(
            "This is not an extended public key of a known kind (xpub, ypub, zpub, tpub, upub, vpub)."
        )
    return key


def _normal_descriptor(descriptor: _Descriptor, chain: str) -> _Descriptor:
    if chain not in BITCOIN_CHAINS:
        raise ValueError(f"unknown Bitcoin chain: {chain!r}")
    keys = tuple(
        _Key(key.origin, _plain_key(key.extended, descriptor.shape, chain), key.steps)
        for key in descriptor.keys
    )
    if len({(key.extended, key.steps) for key in keys}) != len(keys):
        raise KeyRefused("The same key stands twice in this multi-signature descriptor.")
    return _Descriptor(descriptor.shape, descriptor.threshold, keys)


def _plain_key(text: str, shape: str, chain: str) -> str:
    """The key as xpub (main network) or tpub, once its prefix agrees with the network and the script."""
    key = _parse_extended(text)
    on_main, promised = _VERSIONS[key.version]
    if on_main != (chain == "main"):
        offered = "Bitcoin's main network" if on_main else "a Bitcoin test network"
        raise KeyRefused(
            f"This key is for {offered}, and this network is another. Nothing sent here could be found."
        )
    if promised not in {"", shape}:
        raise KeyRefused(
            f"The key's prefix is for {promised} addresses, but the descriptor makes {shape} addresses."
        )
    return str(key.to_base58(version=NETWORKS["main" if on_main else "test"]["xpub"]))


def _checked_index(index: int) -> int:
    if isinstance(index, bool) or not 0 <= index < HARDENED_INDEX:
        raise ValueError("an address index is between 0 and 2^31-1")
    return index


@lru_cache(maxsize=64)
def _script_maker(descriptor: str) -> Callable[[int], Any]:
    """The function index → output script of a descriptor, its branch keys derived once."""
    parsed = _read_descriptor(descriptor)
    branches = [_parse_extended(key.extended).derive(list(key.steps)) for key in parsed.keys]
    single = {
        "pkh": script.p2pkh,
        "wpkh": script.p2wpkh,
        "tr": script.p2tr,
        "sh(wpkh)": lambda key: script.p2sh(script.p2wpkh(key)),
    }.get(parsed.shape)
    if single:
        return lambda index: single(branches[0].child(index).key)
    wrapped = parsed.shape.startswith("sh(")

    def multisig(index: int) -> Any:
        keys = sorted(branch.child(index).sec() for branch in branches)
        output = script.p2wsh(script.Script(_multisig_script(parsed.threshold, keys)))
        return script.p2sh(output) if wrapped else output

    return multisig


def _multisig_script(threshold: int, keys: list[bytes]) -> bytes:
    """OP_k <key>… OP_n OP_CHECKMULTISIG (BIP-383; the keys sorted as BIP-67 says). 0x50 + n is OP_n up to 16."""
    pushes = b"".join(b"\x21" + key for key in keys)
    return bytes([0x50 + threshold]) + pushes + bytes([0x50 + len(keys), 0xAE])


@lru_cache(maxsize=64)
def _evm_branch(xpub: str) -> HDKey:
    key = _bare_key(normalise_evm(xpub))
    return _parse_extended(key.extended).derive(list(key.steps))
