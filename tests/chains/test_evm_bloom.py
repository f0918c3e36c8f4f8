"""The bloom filter of block headers, against a real node's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chains.evm.bloom import bloom_of, may_hold, parse_bloom
from devnet.anvil import AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from tests.chains.conftest import Watched

Mine = Callable[..., None]


def test_a_block_s_filter_is_that_of_its_logs(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    for amount in (1, 2, 3):
        evm_resident.pay_token(TOKEN_ADDRESS, evm.address(f"{amount}").address, amount)
    mine()
    block = anvil.rpc("eth_getBlockByNumber", "latest", False)
    logs = anvil.rpc("eth_getLogs", {"blockHash": block["hash"]})
    assert len(logs) == 3
    named = [bytes.fromhex(text[2:]) for log in logs for text in (log["address"], *log["topics"])]
    bloom = parse_bloom(block["logsBloom"])
    assert bloom == bloom_of(named)
    assert bloom is not None
    assert may_hold(bloom, *named)
    assert not may_hold(bloom, named[0], b"another address here")


def test_a_filter_that_says_nothing_is_none() -> None:
    assert parse_bloom("0x" + "ff" * 256) is None
    assert parse_bloom("0x" + "00" * 256) == 0


@pytest.mark.parametrize("text", ["", "0x", "0x00", "0x" + "zz" * 256])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bloom|invalid"):
        parse_bloom(text)
