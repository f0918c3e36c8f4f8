"""Addresses from public keys: the reference vectors, an independent judge, and everything that must not get in."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path

import pytest
from embit import base58, bip39, script
from embit.bip32 import HDKey
from embit.descriptor.checksum import add_checksum
from embit.ec import PrivateKey
from embit.networks import NETWORKS
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from chains.derivation import (
    derive_bitcoin,
    derive_evm,
    normalise_bitcoin,
    normalise_evm,
    require_fast_library,
)
from chains.evm.addresses import checksum_address
from chains.key_guard import PRIVATE_KEY_MESSAGE, SEED_MESSAGE, KeyRefused

VECTORS = json.loads((Path(__file__).parent / "data" / "derivation_vectors.json").read_text())
SEED_PHRASE = "abandon " * 11 + "about"
ROOT = HDKey.from_seed(bip39.mnemonic_to_seed(SEED_PHRASE))


def account(path: str, *, chain: str = "main", prefix: str = "xpub") -> str:
    network = NETWORKS["main" if chain == "main" else "test"]
    return str(ROOT.derive(path).to_public(version=network[prefix]).to_base58())


BIP86_KEY = VECTORS["bip86"]["account_xpub"]
OTHER_KEY = account("m/48h/0h/0h/2h")


def test_native_segwit_vectors_of_bip84() -> None:
    descriptor = normalise_bitcoin(VECTORS["bip84"]["account_zpub"], "main")
    assert descriptor.startswith("wpkh(xpub")
    got = [derive_bitcoin(descriptor, index, "main").address for index in (0, 1)]
    assert got == VECTORS["bip84"]["receive"]


def test_taproot_vectors_of_bip86() -> None:
    descriptor = normalise_bitcoin(f"tr({BIP86_KEY}/<0;1>/*)", "main")
    got = [derive_bitcoin(descriptor, index, "main").address for index in (0, 1)]
    assert got == VECTORS["bip86"]["receive"]
    change = normalise_bitcoin(f"tr({BIP86_KEY}/1/*)", "main")
    assert derive_bitcoin(change, 0, "main").address == VECTORS["bip86"]["change_0"]


def test_nested_segwit_vector_of_bip49_on_testnet() -> None:
    descriptor = normalise_bitcoin(account("m/49h/1h/0h", chain="test", prefix="ypub"), "test")
    assert descriptor.startswith("sh(wpkh(tpub")
    assert derive_bitcoin(descriptor, 0, "test").address == VECTORS["bip49_testnet"]["address"]


def test_ethereum_vector_of_bip44() -> None:
    key = normalise_evm(account("m/44h/60h/0h"))
    assert key.endswith("/0/*")
    derived = derive_evm(key, 0)
    assert derived.address == VECTORS["evm"]["address"]
    assert bytes.fromhex(derived.address[2:]) == derived.key


def test_an_ethereum_key_of_the_receive_branch_gives_the_same_addresses() -> None:
    branch = normalise_evm(account("m/44h/60h/0h/0"))
    assert branch.endswith("/*")
    assert derive_evm(branch, 7) == derive_evm(normalise_evm(account("m/44h/60h/0h")), 7)


@pytest.mark.parametrize(
    ("purpose", "start"), [("44", "pkh("), ("49", "sh(wpkh("), ("84", "wpkh("), ("86", "tr("), ("1", "wpkh(")]
)
def test_a_keys_origin_names_its_script(purpose: str, start: str) -> None:
    assert normalise_bitcoin(f"[00000000/{purpose}'/0'/0']{BIP86_KEY}", "main").startswith(start)


@pytest.mark.parametrize("chain", ["test", "signet", "regtest"])
def test_each_network_writes_its_own_addresses(chain: str) -> None:
    descriptor = normalise_bitcoin(account("m/84h/1h/0h", chain="test", prefix="zpub"), chain)
    prefix = "bcrt1" if chain == "regtest" else "tb1"
    assert derive_bitcoin(descriptor, 0, chain).address.startswith(prefix)


def test_normalising_is_idempotent_and_ignores_white_space_and_ways_of_writing_hardened() -> None:
    first = normalise_bitcoin(f"  wpkh([ABCDEF01/84'/0H/0h]{BIP86_KEY}/0/*)\n", "main")
    assert "[abcdef01/84h/0h/0h]" in first
    assert normalise_bitcoin(first, "main") == first
    assert normalise_evm(normalise_evm(BIP86_KEY)) == normalise_evm(BIP86_KEY)


# A key whose last two characters look like a hardened step once "/0/*" follows them.
ENDS_LIKE_A_STEP = str(HDKey.from_seed((275).to_bytes(32, "big")).to_public().to_base58())


@pytest.mark.parametrize("text", ["{}", "{}/0/*", "wpkh({}/0/*)", "[abcdef01/84H/0H/0H]{}/0/*"])
def test_a_key_that_ends_with_a_digit_and_h_is_not_taken_for_a_hardened_step(text: str) -> None:
    assert ENDS_LIKE_A_STEP.endswith("8H")
    descriptor = normalise_bitcoin(text.format(ENDS_LIKE_A_STEP), "main")
    assert f"{ENDS_LIKE_A_STEP}/0/*" in descriptor
    expected = HDKey.parse(base58.decode_check(ENDS_LIKE_A_STEP)).derive([0, 7])
    assert derive_bitcoin(descriptor, 7, "main").address == script.p2wpkh(expected.key).address()
    assert derive_evm(normalise_evm(f"{ENDS_LIKE_A_STEP}/0/*"), 7)


SHAPES = [
    "pkh({a}/0/*)",
    "wpkh({a}/0/*)",
    "sh(wpkh({a}/0/*))",
    "tr({a}/0/*)",
    "wsh(sortedmulti(1,{a}/0/*,{b}/0/*))",
    "wsh(sortedmulti(2,{b}/0/*,{a}/0/*))",
    "sh(wsh(sortedmulti(2,{a}/3/*,{b}/1/0/*)))",
]
# What each of bdkpython's networks is called there.
JUDGES_NETWORK = {"main": "BITCOIN", "test": "TESTNET", "signet": "SIGNET", "regtest": "REGTEST"}
needs_judge = pytest.mark.skipif(
    importlib.util.find_spec("bdkpython") is None, reason="bdkpython has no wheel for this platform"
)


def assert_judge_agrees(descriptor: str, chain: str) -> None:
    """bdkpython derives the same addresses and scripts from ``descriptor``."""
    import bdkpython as bdk

    network = getattr(bdk.Network, JUDGES_NETWORK[chain])
    kind = bdk.NetworkKind.MAIN if chain == "main" else bdk.NetworkKind.TEST
    wallet = bdk.Wallet.create_single(
        bdk.Descriptor(descriptor, kind), network, bdk.Persister.new_in_memory()
    )
    for index in (0, 1, 7, 1000):
        derived = derive_bitcoin(descriptor, index, chain)
        info = wallet.peek_address(bdk.KeychainKind.EXTERNAL, index)
        assert derived.address == str(info.address)
        assert derived.key == bytes(info.address.script_pubkey().to_bytes())


@needs_judge
@pytest.mark.parametrize("chain", JUDGES_NETWORK)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_independent_program_derives_the_same_addresses(shape: str, chain: str) -> None:
    keys = {"a": account("m/86h/0h/0h", chain=chain), "b": account("m/48h/0h/0h/2h", chain=chain)}
    assert_judge_agrees(normalise_bitcoin(shape.format(**keys), chain), chain)


# SLIP-132 prefixes by the script they promise: on the main network, and on the test networks (tpub, upub, vpub there).
PREFIXES = {"ypub": "sh(wpkh(", "zpub": "wpkh(", "xpub": "wpkh("}


@needs_judge
@pytest.mark.parametrize("chain", JUDGES_NETWORK)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_key_with_a_prefix_of_slip_132_is_read_as_the_script_it_promises(prefix: str, chain: str) -> None:
    key = account("m/84h/0h/0h", chain=chain, prefix=prefix)
    assert key[0] == (prefix if chain == "main" else {"xpub": "t", "ypub": "u", "zpub": "v"}[prefix])[0]
    descriptor = normalise_bitcoin(key, chain)
    assert descriptor.startswith(PREFIXES[prefix] + ("xpub" if chain == "main" else "tpub"))
    assert_judge_agrees(descriptor, chain)


@needs_judge
@pytest.mark.parametrize(
    ("prefix", "shape"),
    [("Zpub", "wsh(sortedmulti(2,{}/0/*,{}/0/*))"), ("Ypub", "sh(wsh(sortedmulti(2,{}/0/*,{}/0/*)))")],
)
@pytest.mark.parametrize("chain", ["main", "signet"])
def test_multisig_keys_with_a_prefix_of_slip_132_are_read_in_their_descriptor(
    prefix: str, shape: str, chain: str
) -> None:
    keys = [account(f"m/48h/{n}h/0h/2h", chain=chain, prefix=prefix) for n in (0, 1)]
    descriptor = normalise_bitcoin(shape.format(*keys), chain)
    assert prefix not in descriptor
    assert_judge_agrees(descriptor, chain)


PRIVATE = {
    "extended private key": ROOT.to_base58(),
    "SLIP-132 private key": ROOT.derive("m/84h/0h/0h").to_base58(version=NETWORKS["main"]["zprv"]),
    "testnet private key": ROOT.to_base58(version=NETWORKS["test"]["xprv"]),
    "private key inside a descriptor": f"wpkh({ROOT.to_base58()}/84h/0h/0h/0/*)",
    "damaged private key": ROOT.to_base58()[:-5],
    "WIF, compressed": PrivateKey(b"\x07" * 32).wif(),
    "WIF of testnet": PrivateKey(b"\x07" * 32).wif(NETWORKS["test"]),
    "WIF inside a descriptor": f"wpkh({PrivateKey(bytes([7] * 32)).wif()})",
    "hex": "07" * 32,
    "hex with 0x": "0x" + "0a" * 32,
    "encrypted key (BIP-38)": "6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg",
}
SEEDS = {
    "12 words": SEED_PHRASE,
    "24 words": "abandon " * 23 + "art",
    "numbered words": " ".join(f"{n}. abandon" for n in range(1, 13)),
    "words on lines": "\n".join(["legal"] * 12),
    "words with commas": ",".join(["legal"] * 15),
    "French words": "abaisser " * 12,
    "Russian words": "слово " * 12,
    "upper case": SEED_PHRASE.upper(),
}


@pytest.mark.parametrize("normalise", [lambda text: normalise_bitcoin(text, "main"), normalise_evm])
@pytest.mark.parametrize(
    ("text", "message"),
    [pytest.param(text, PRIVATE_KEY_MESSAGE, id=name) for name, text in PRIVATE.items()]
    + [pytest.param(text, SEED_MESSAGE, id=name) for name, text in SEEDS.items()],
)
def test_private_keys_and_seeds_are_refused_and_repeated_nowhere(
    normalise: object, text: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(KeyRefused) as refusal:
        normalise(text)  # type: ignore[operator]
    assert str(refusal.value) == message
    assert refusal.value.__cause__ is None
    assert text.strip() not in caplog.text


@pytest.mark.parametrize("text", VECTORS["bip32_invalid"])
def test_the_invalid_keys_of_bip32_are_refused(text: str) -> None:
    with pytest.raises(KeyRefused) as bitcoin:
        normalise_bitcoin(text, "main")
    with pytest.raises(KeyRefused):
        normalise_evm(text)
    assert text not in str(bitcoin.value)


REFUSED = {
    "nothing": ("", "Paste"),
    "a sentence": ("my wallet", "not an extended public key"),
    "an address": ("bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "not an extended public key"),
    "wrong checksum": (f"wpkh({BIP86_KEY}/0/*)#qqqqqqqq", "checksum"),
    "empty checksum": (f"wpkh({BIP86_KEY}/0/*)#", "checksum"),
    "short checksum": (add_checksum(f"wpkh({BIP86_KEY}/0/*)")[:-1], "checksum"),
    "a character too many": (f"wpkh({BIP86_KEY}/0/*))", "admitted form"),
    "bracket missing": (f"wpkh({BIP86_KEY}/0/*", "admitted form"),
    "hardened wildcard": (f"wpkh({BIP86_KEY}/0/*h)", "hardened"),
    "hardened step": (f"wpkh({BIP86_KEY}/0h/*)", "admitted form"),
    "one address only": (f"wpkh({BIP86_KEY}/0/5)", "admitted form"),
    "unsorted multisig": (f"wsh(multi(1,{BIP86_KEY}/0/*,{OTHER_KEY}/0/*))", "admitted form"),
    "bare multisig": (f"sh(sortedmulti(1,{BIP86_KEY}/0/*,{OTHER_KEY}/0/*))", "admitted form"),
    "anyone can spend": ("wsh(or_i(older(1),after(1)))", "admitted form"),
    "Taproot with a script": (f"tr({BIP86_KEY}/0/*,pk({OTHER_KEY}/0/*))", "admitted form"),
    "more signatures than keys": (f"wsh(sortedmulti(3,{BIP86_KEY}/0/*,{OTHER_KEY}/0/*))", "signatures"),
    "no signature": (f"wsh(sortedmulti(0,{BIP86_KEY}/0/*,{OTHER_KEY}/0/*))", "signatures"),
    "the same key twice": (f"wsh(sortedmulti(2,{BIP86_KEY}/0/*,{BIP86_KEY}/0/*))", "twice"),
    "key of a test network": (account("m/84h/1h/0h", chain="test"), "test network"),
    "prefix of another script": (f"pkh({VECTORS['bip84']['account_zpub']}/0/*)", "prefix"),
    "single key of a multisig wallet": (account("m/48h/0h/0h/2h", prefix="Zpub"), "multi-signature"),
    "letters no key has": ("хpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJ", "letters"),
    "far too long": ("x" * 5000, "too long"),
}


@pytest.mark.parametrize(("text", "part"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_usable_public_key_is_refused_with_a_reason(text: str, part: str) -> None:
    with pytest.raises(KeyRefused, match=part) as refusal:
        normalise_bitcoin(text, "main")
    assert not text or text not in str(refusal.value)


def test_a_main_network_key_is_refused_on_a_test_network() -> None:
    with pytest.raises(KeyRefused, match="main network"):
        normalise_bitcoin(BIP86_KEY, "regtest")


def test_a_bitcoin_key_is_refused_for_ethereum() -> None:
    with pytest.raises(KeyRefused, match="Bitcoin key"):
        normalise_evm(VECTORS["bip84"]["account_zpub"])


@pytest.mark.parametrize("index", [-1, 2**31, True])
def test_an_index_out_of_range_raises(index: int) -> None:
    with pytest.raises(ValueError, match="between"):
        derive_evm(BIP86_KEY, index)


@given(st.binary(min_size=20, max_size=20))
def test_checksummed_addresses_agree_with_web3(address: bytes) -> None:
    assert checksum_address(address) == Web3.to_checksum_address(address)


@given(st.text(max_size=200))
def test_whatever_is_pasted_is_either_refused_or_normal(text: str) -> None:
    for normalise in (lambda pasted: normalise_bitcoin(pasted, "main"), normalise_evm):
        try:
            normal = normalise(text)
        except KeyRefused:
            continue
        assert normalise(normal) == normal


def test_the_compiled_library_is_in_use() -> None:
    require_fast_library()
