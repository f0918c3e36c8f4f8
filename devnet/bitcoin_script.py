"""Scripts, addresses and descriptors of the regtest network, described as Bitcoin Core describes them."""

from __future__ import annotations

from typing import Any

from bitcoin.core.script import OPCODE_NAMES
from embit import base58, bech32
from embit.base import EmbitError
from embit.descriptor import Descriptor
from embit.descriptor.checksum import add_checksum
from embit.networks import NETWORKS

REGTEST = NETWORKS["regtest"]
SIGHASH_NAMES = {
    0x01: "ALL",
    0x02: "NONE",
    0x03: "SINGLE",
    0x81: "ALL|ANYONECANPAY",
    0x82: "NONE|ANYONECANPAY",
}
SIGHASH_NAMES[0x83] = "SINGLE|ANYONECANPAY"
PAY_TO_ANCHOR = bytes.fromhex("51024e73")
OP_RETURN = 0x6A
MAX_SCRIPT_SIZE = 10_000
DEFAULT_RANGE = 1000


class AddressError(ValueError):
    """The text is not an address, or not a descriptor, of the regtest network."""


def script_of_address(address: str) -> bytes:
    """The scriptPubKey of a regtest address; raises AddressError for any other text.

    The result is encoded again and compared, so that a checksum of the wrong kind cannot pass.
    """
    plain = address.lower() if address.isupper() else address
    try:
        script = _witness_script(plain) if plain.startswith("bcrt1") else _base58_script(plain)
    except (EmbitError, ValueError, KeyError, IndexError, TypeError) as error:
        raise AddressError(f"not a regtest address: {address}") from error
    if address_of_script(script) != plain:
        raise AddressError(f"not a regtest address: {address}")
    return script


def _witness_script(address: str) -> bytes:
    version, program = bech32.decode(REGTEST["bech32"], address)
    return bytes([version and version + 0x50, len(program)]) + bytes(program)


def _base58_script(address: str) -> bytes:
    payload = base58.decode_check(address)
    if len(payload) != 21:
        raise ValueError("not 20 bytes")
    head, tail = {REGTEST["p2pkh"]: (b"\x76\xa9", b"\x88\xac"), REGTEST["p2sh"]: (b"\xa9", b"\x87")}[
        payload[:1]
    ]
    return head + b"\x14" + bytes(payload[1:]) + tail


def address_of_script(script: bytes) -> str | None:
    """The regtest address of a script, None where it has none."""
    kind = script_type(script)
    if kind == "pubkeyhash":
        return str(base58.encode_check(REGTEST["p2pkh"] + script[3:23]))
    if kind == "scripthash":
        return str(base58.encode_check(REGTEST["p2sh"] + script[2:22]))
    if kind == "anchor" or kind.startswith("witness_"):
        version = script[0] and script[0] - 0x50
        return str(bech32.encode(REGTEST["bech32"], version, script[2:]))
    return None


def script_type(script: bytes) -> str:
    """Bitcoin Core's name of the script's type."""
    if script == PAY_TO_ANCHOR:
        return "anchor"
    witness_type = _witness_type(script)
    if witness_type:
        return witness_type
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return "pubkeyhash"
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87:
        return "scripthash"
    if len(script) in (35, 67) and script[0] == len(script) - 2 and script[-1] == 0xAC:
        return "pubkey"
    if script[:1] == bytes([OP_RETURN]) and _is_push_only(script[1:]):
        return "nulldata"
    return "nonstandard"


def _witness_type(script: bytes) -> str | None:
    """The type of a witness program, None for any other script."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2:
        return None
    if script[0] == 0:
        return {20: "witness_v0_keyhash", 32: "witness_v0_scripthash"}.get(script[1])
    if not 0x51 <= script[0] <= 0x60:
        return None
    return "witness_v1_taproot" if script[0] == 0x51 and script[1] == 32 else "witness_unknown"


def is_unspendable(script: bytes) -> bool:
    """Whether no input can ever spend it, so that it never enters the set of unspent outputs."""
    return script[:1] == bytes([OP_RETURN]) or len(script) > MAX_SCRIPT_SIZE


def dust_threshold_sat(script: bytes) -> int:
    """The least amount worth spending at 3 sat per vbyte: below it the node refuses to relay."""
    if is_unspendable(script):
        return 0
    spending_size = 67 if _witness_type(script) or script == PAY_TO_ANCHOR else 148
    return 3 * (8 + 1 + len(script) + spending_size)


def _operations(script: bytes) -> list[tuple[int, bytes | None]]:
    """The script's opcodes with the data each pushes; raises ValueError on a truncated push."""
    operations: list[tuple[int, bytes | None]] = []
    position = 0
    while position < len(script):
        opcode = script[position]
        position += 1
        if opcode > 0x4E:
            operations.append((opcode, None))
            continue
        width = {0x4C: 1, 0x4D: 2, 0x4E: 4}.get(opcode, 0)
        length = int.from_bytes(script[position : position + width], "little") if width else opcode
        position += width
        if position + length > len(script):
            raise ValueError("truncated push")
        operations.append((opcode, script[position : position + length]))
        position += length
    return operations


def _is_push_only(script: bytes) -> bool:
    try:
        return all(opcode <= 0x60 for opcode, _ in _operations(script))
    except ValueError:
        return False


def _push_text(pushed: bytes, decode_signature: bool) -> str:
    """One push in Core's assembly: up to four bytes as a number, more as hex."""
    if len(pushed) <= 4:
        magnitude = int.from_bytes(pushed, "little")
        sign_bit = 0x80 << (8 * (len(pushed) - 1)) if pushed else 0
        return str(-(magnitude - sign_bit) if magnitude & sign_bit else magnitude)
    is_signature = decode_signature and 9 <= len(pushed) <= 73 and pushed[0] == 0x30
    if is_signature and pushed[1] == len(pushed) - 3 and pushed[-1] in SIGHASH_NAMES:
        return f"{pushed[:-1].hex()}[{SIGHASH_NAMES[pushed[-1]]}]"
    return pushed.hex()


def assembly(script: bytes, *, is_script_sig: bool = False) -> str:
    """The script in Core's assembly; signatures of a scriptSig show the name of their hash type."""
    try:
        operations = _operations(script)
    except ValueError:
        return "[error]"
    words = []
    for opcode, pushed in operations:
        if pushed is not None:
            words.append(_push_text(pushed, is_script_sig))
        elif opcode == 0x4F or 0x51 <= opcode <= 0x60:
            words.append(str(opcode - 0x50))
        else:
            words.append(str(OPCODE_NAMES.get(opcode, "OP_UNKNOWN")))
    return " ".join(words)


def descriptor_of_script(script: bytes) -> str:
    """The descriptor that Core infers without knowing any key, with its checksum."""
    kind = script_type(script)
    address = address_of_script(script)
    if kind == "witness_v1_taproot":
        text = f"rawtr({script[2:].hex()})"
    elif kind == "pubkey":
        text = f"pk({script[1:-1].hex()})"
    else:
        text = f"addr({address})" if address else f"raw({script.hex()})"
    return str(add_checksum(text))


def describe(script: bytes) -> dict[str, Any]:
    """The ``scriptPubKey`` object of Core's JSON."""
    kind = script_type(script)
    described = {"asm": assembly(script), "desc": descriptor_of_script(script), "hex": script.hex()}
    address = address_of_script(script)
    if address:
        described["address"] = address
    return described | {"type": kind}


def scripts_of_descriptor(scan_object: str | dict[str, Any]) -> list[bytes]:
    """The scripts that a scan object asks for: addr(), raw(), or any descriptor embit reads, ranged or not.

    Raises AddressError when the descriptor or its checksum is wrong.
    """
    descriptor = scan_object if isinstance(scan_object, str) else str(scan_object.get("desc", ""))
    text, _, checksum = descriptor.partition("#")
    if checksum and add_checksum(text) != descriptor:
        raise AddressError(f"Provided checksum '{checksum}' does not match computed checksum")
    if text.startswith("addr(") and text.endswith(")"):
        return [script_of_address(text[5:-1])]
    try:
        if text.startswith("raw(") and text.endswith(")"):
            return [bytes.fromhex(text[4:-1])]
        return _derived_scripts(Descriptor.from_string(text), scan_object)
    except (EmbitError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise AddressError(f"'{text}' is not a valid descriptor function") from error


def _derived_scripts(descriptor: Any, scan_object: str | dict[str, Any]) -> list[bytes]:
    """The descriptor's scripts; a ranged one is derived over the range that the scan object names."""
    if not descriptor.is_wildcard:
        return [bytes(descriptor.script_pubkey().data)]
    bounds = scan_object.get("range", DEFAULT_RANGE) if isinstance(scan_object, dict) else DEFAULT_RANGE
    first, last = bounds if isinstance(bounds, list) else (0, bounds)
    return [bytes(descriptor.derive(index).script_pubkey().data) for index in range(first, last + 1)]
