"""Reading the public keys and output descriptors that people paste. Pure; the text is never repeated in an error.

What embit does not check is checked here: descriptor checksums, networks, SLIP-132 prefixes, and which script shapes are
admitted (a shape that anyone could spend never gets in, because the shapes are a list).
Sources: BIP-32, 44, 49, 84, 86, 380 to 386, 389, SLIP-132.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embit import base58
from embit.base import EmbitError
from embit.bip32 import HARDENED_INDEX, HDKey
from embit.descriptor.checksum import checksum
from embit.networks import NETWORKS

from chains.key_guard import KeyRefused, refuse_private

BITCOIN_CHAINS = ("main", "test", "signet", "regtest")
TEXT_LENGTH_MAX = 4000
MULTISIG_KEYS_MAX = 15

# SLIP-132: version bytes → (main network?, the script the prefix promises; "" promises nothing).
VERSIONS: dict[bytes, tuple[bool, str]] = {
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
class ExtendedKey:
    """One extended public key of a descriptor: where it came from, the key, and the steps to its receive branch."""

    origin: str
    extended: str
    steps: tuple[int, ...]

    def __str__(self) -> str:
        return self.origin + self.extended + "".join(f"/{step}" for step in self.steps) + "/*"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An output descriptor of an admitted shape; ``threshold`` signatures are needed (1 where there is one key)."""

    shape: str
    threshold: int
    keys: tuple[ExtendedKey, ...]

    def __str__(self) -> str:
        if "sortedmulti" in self.shape:
            inner = f"{self.threshold}," + ",".join(map(str, self.keys))
            return self.shape.replace("sortedmulti", f"sortedmulti({inner})")
        if self.shape == "sh(wpkh)":
            return f"sh(wpkh({self.keys[0]}))"
        return f"{self.shape}({self.keys[0]})"


def clean(text: str) -> str:
    """``text`` without white space, once the guard has let it pass."""
    if len(text) > TEXT_LENGTH_MAX:
        raise KeyRefused("This is too long for a public key or a descriptor.")
    refuse_private(text)
    cleaned = "".join(text.split())
    if not cleaned:
        raise KeyRefused("Paste an extended public key (xpub …) or an output descriptor.")
    if not cleaned.isascii():
        raise KeyRefused("This is not a public key: it has letters that no key has.")
    return cleaned


def ends_with_star(text: str) -> bool:
    return "".join(text.split()).endswith("/*")


def read_descriptor(text: str) -> Descriptor:
    body = _without_checksum(text)
    body = _one_way_of_writing(body)
    if "*h" in body or "*'" in body:
        raise KeyRefused(
            "This descriptor ends with a hardened step, which only the private key can derive. Use /*."
        )
    single = _SINGLE.fullmatch(body)
    if single:
        shape = single.group(1) or "sh(wpkh)"
        return Descriptor(shape, 1, (_split_key(single.group(2) or single.group(4)),))
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


def _read_multisig(match: re.Match[str]) -> Descriptor:
    threshold = int(match.group(2))
    keys = tuple(_split_key(part) for part in match.group(3)[1:].split(","))
    if not 1 <= threshold <= len(keys) <= MULTISIG_KEYS_MAX:
        raise KeyRefused(
            f"A multi-signature wallet needs 1 to {MULTISIG_KEYS_MAX} keys and no more signatures than keys."
        )
    return Descriptor("sh(wsh(sortedmulti))" if match.group(1) else "wsh(sortedmulti)", threshold, keys)


def _split_key(text: str) -> ExtendedKey:
    match = _KEY_PARTS.fullmatch(text)
    if match is None:
        raise KeyRefused("This is not an extended public key (xpub …) or an output descriptor.")
    origin, extended, steps, _ = match.groups()
    numbers = [_receive_step(step) for step in (steps or "").split("/")[1:] if step]
    if any(number >= HARDENED_INDEX for number in numbers):
        raise KeyRefused("A step of the key's path is too large.")
    return ExtendedKey(origin or "", extended, tuple(numbers))


def _receive_step(step: str) -> int:
    """The number of a path step; of ``<0;1>`` the first, which by BIP-389 is where money is received."""
    try:
        return int(step.strip("<>").split(";")[0])
    except ValueError:
        raise KeyRefused("This is not an extended public key (xpub …) or an output descriptor.") from None


def read_bare_key(text: str) -> ExtendedKey:
    return _split_key(_one_way_of_writing(text))


def _one_way_of_writing(text: str) -> str:
    """Hardened steps with h, fingerprints in lower case. A key that itself ends with a digit and H stays as it is."""
    text = re.sub(r"(/[0-9]+)['H](?=[/\]])", r"\1h", text)
    return re.sub(r"\[[0-9A-Fa-f]{8}", lambda match: match.group().lower(), text)


def read_bare_bitcoin_key(text: str) -> Descriptor:
    key = read_bare_key(text)
    shape = VERSIONS[parse_extended(key.extended).version][1] or _shape_by_origin(key.origin)
    if "sortedmulti" in shape:
        raise KeyRefused(
            "This key belongs to a multi-signature wallet. Paste the wallet's whole output descriptor."
        )
    if not key.steps and not ends_with_star(text):
        key = ExtendedKey(key.origin, key.extended, (0,))
    return Descriptor(shape, 1, (key,))


def _shape_by_origin(origin: str) -> str:
    """The script that a key's origin names ([…/86h/0h/0h] is Taproot), else native SegWit."""
    match = re.match(r"\[[0-9a-f]{8}/([0-9]+)h", origin)
    return _SHAPE_BY_PURPOSE.get(match.group(1), "wpkh") if match else "wpkh"


def parse_extended(text: str) -> HDKey:
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
    if key.is_private or key.version not in VERSIONS:
        raise KeyRefused(
            "This is not an extended public key of a known kind (xpub, ypub, zpub, tpub, upub, vpub)."
        )
    return key


def normal_descriptor(descriptor: Descriptor, chain: str) -> Descriptor:
    if chain not in BITCOIN_CHAINS:
        raise ValueError(f"unknown Bitcoin chain: {chain!r}")
    keys = tuple(
        ExtendedKey(key.origin, _plain_key(key.extended, descriptor.shape, chain), key.steps)
        for key in descriptor.keys
    )
    if len({(key.extended, key.steps) for key in keys}) != len(keys):
        raise KeyRefused("The same key stands twice in this multi-signature descriptor.")
    return Descriptor(descriptor.shape, descriptor.threshold, keys)


def _plain_key(text: str, shape: str, chain: str) -> str:
    """The key as xpub (main network) or tpub, once its prefix agrees with the network and the script."""
    key = parse_extended(text)
    on_main, promised = VERSIONS[key.version]
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
