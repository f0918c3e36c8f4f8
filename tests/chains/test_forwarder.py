"""Forwarder addresses: pure, without a node; and the text by which a forwarder wallet is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_utils.address import is_checksum_address
from hypothesis import given
from hypothesis import strategies as st
from web3.utils.address import get_create2_address

from chains import wallets
from chains.evm import forwarder
from chains.evm.forwarder_code import deployments
from chains.key_guard import KeyRefused
from chains.models import Network
from devnet import build_contracts
from tests.chains.forwarding import text

FACTORY, IMPLEMENTATION, TREASURY = (bytes([n]) * 20 for n in (0xFA, 0x1B, 0x7E))
WALLET = f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)},{text(TREASURY)})"
ADDRESS = st.binary(min_size=20, max_size=20).filter(any)


@given(factory=ADDRESS, implementation=ADDRESS, salt=st.binary(min_size=32, max_size=32))
def test_an_address_is_the_one_of_another_implementation_of_create2(
    factory: bytes, implementation: bytes, salt: bytes
) -> None:
    judged = get_create2_address(
        text(factory), "0x" + salt.hex(), "0x" + forwarder.creation_code(implementation).hex()
    )
    assert text(forwarder.deposit_address(factory, implementation, salt)) == judged


def test_an_address_does_not_change_between_versions() -> None:
    derived = forwarder.derive(WALLET, 0)
    assert derived.address == "0x911703097996a6F021b453784ae3dD0E863127fB"
    assert derived.key == bytes.fromhex(derived.address[2:])


def test_the_proxy_is_51_bytes_and_differs_in_its_implementation_alone() -> None:
    code = forwarder.runtime_code(IMPLEMENTATION)
    assert len(code) == 51
    assert len(forwarder.creation_code(IMPLEMENTATION)) == 60
    assert code.replace(IMPLEMENTATION, bytes(20)).count(bytes(20)) == 1


@given(first=st.integers(0, 2**31 - 1), second=st.integers(0, 2**31 - 1))
def test_numbers_and_addresses_correspond(first: int, second: int) -> None:
    one, other = forwarder.derive(WALLET, first), forwarder.derive(WALLET, second)
    assert (one == other) == (first == second)
    assert is_checksum_address(one.address)


def test_another_implementation_or_factory_has_other_addresses() -> None:
    salt = forwarder.salt(5)
    assert (
        len(
            {
                forwarder.deposit_address(FACTORY, IMPLEMENTATION, salt),
                forwarder.deposit_address(FACTORY, TREASURY, salt),
                forwarder.deposit_address(TREASURY, IMPLEMENTATION, salt),
            }
        )
        == 3
    )


@pytest.mark.parametrize("index", [-1, 2**31, True])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        forwarder.derive(WALLET, index)


@pytest.mark.parametrize("lengths", [(19, 20, 32), (20, 21, 32), (20, 20, 31)])
def test_a_part_of_a_wrong_length_is_refused(lengths: tuple[int, int, int]) -> None:
    factory, implementation, salt = (bytes(length) for length in lengths)
    with pytest.raises(ValueError, match=r"20|32"):
        forwarder.deposit_address(factory, implementation, salt)


@pytest.mark.parametrize(
    "written",
    [
        WALLET,
        WALLET.lower(),
        f" forwarder( {text(FACTORY)},\n {text(IMPLEMENTATION)}, {text(TREASURY)} ) ",
        f"forwarder(0x{FACTORY.hex().upper()},0x{IMPLEMENTATION.hex()},{text(TREASURY)})",
    ],
)
def test_every_way_of_writing_a_forwarder_wallet_becomes_one(written: str) -> None:
    assert forwarder.normalise(written) == WALLET
    assert forwarder.normalise(forwarder.normalise(written)) == WALLET


SWAPPED_CASE = "0x" + text(TREASURY)[2:].swapcase()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("forwarder()", "is written"),
        ("forwarder", "is written"),
        (WALLET[:-1], "is written"),
        (WALLET + "x", "is written"),
        (WALLET.replace("0x", ""), "is written"),
        (f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)})", "is written"),
        (
            f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)},{SWAPPED_CASE})",
            "treasury's address has a wrong",
        ),
        (f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)},0x{'0' * 40})", "zero address"),
        (f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)},{text(FACTORY)})", "three different"),
        (f"forwarder({text(FACTORY)},{text(IMPLEMENTATION)},0x{'7e' * 32})", "private key"),
        ("forwarder(" + "0" * 5000 + ")", "is written"),
    ],
)
def test_a_malformed_forwarder_wallet_is_refused_in_words(written: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said) as refusal:
        forwarder.normalise(written)
    assert "7e7e" not in str(refusal.value).lower()


def test_a_wallet_says_its_method() -> None:
    assert wallets.method(WALLET) is wallets.Method.FORWARDER
    assert wallets.method("xpub6CUGRUo") is wallets.Method.HD


def test_the_wallets_verbs_understand_both_methods() -> None:
    evm = Network(slug="evm", kind="evm", chain_id=1)
    assert wallets.normalise(evm, WALLET.lower()) == WALLET
    assert wallets.preview(evm, WALLET) == [forwarder.derive(WALLET, n).address for n in range(3)]
    assert wallets.derive(evm, WALLET, 7) == forwarder.derive(WALLET, 7)


def test_bitcoin_knows_no_forwarder() -> None:
    with pytest.raises(KeyRefused):
        wallets.normalise(Network(slug="bitcoin", kind="bitcoin", bitcoin_chain="main"), WALLET)


@given(treasury=ADDRESS)
def test_the_contracts_of_a_treasury_have_addresses_before_they_are_deployed(treasury: bytes) -> None:
    wallet, contracts = deployments(treasury)
    assert [contract.address for contract in contracts] == [wallet.implementation, wallet.factory]
    assert treasury in contracts[0].data
    assert wallet.implementation in contracts[1].data
    assert forwarder.parse(str(wallet)) == wallet


@pytest.mark.parametrize("contract", ["Forwarder", "ForwarderFactory"])
def test_the_committed_code_is_what_todays_source_compiles_to(contract: str) -> None:
    text_now = build_contracts.artifact(build_contracts.CONTRACTS / f"{contract}.vy")
    assert (build_contracts.ARTIFACTS / f"{contract}.json").read_text() == text_now


def test_the_check_refuses_stale_code_and_code_without_a_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh, stale, orphaned = (tmp_path / f"{name}.json" for name in ("Fresh", "Stale", "Orphaned"))
    for path in (fresh, stale, orphaned):
        path.write_text("old")
    assert build_contracts.agree({fresh: "old"}, [fresh])
    assert not build_contracts.agree({fresh: "old", stale: "new"}, [fresh, stale])
    assert not build_contracts.agree({fresh: "old"}, [fresh, orphaned])
    assert not build_contracts.agree({tmp_path / "Missing.json": "new"}, [])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "Stale.json",
        "Orphaned.json",
        "Missing.json",
    ]
