"""An EVM node that only repeats itself: recorded answers for blocks of token transfers, served from a process of its own.

``python -m bench.evm_answers`` prints its port; it ends when its standard input does. What it serves is made up once at the
start, in the form in which Ethereum's clients write it, so that only the asking side works while it is measured.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson

from chains.evm.transfers import TRANSFER_TOPIC

CHAIN_ID = 1
BLOCKS = 1000
TRANSFERS_PER_BLOCK = 100
# One block in so many pays one of ours.
BLOCKS_PER_HIT = 10
CONTRACT = sha256(b"token").digest()[:20]

Json = dict[str, Any]


def our_key(number: int) -> bytes:
    """Deposit address number ``number`` (20 bytes)."""
    return sha256(b"ours %d" % number).digest()[:20]


def _hex(label: str, length: int = 32) -> str:
    return "0x" + sha256(label.encode()).digest()[:length].hex()


def _recipient(height: int, number: int) -> str:
    if number == 0 and height % BLOCKS_PER_HIT == 0:
        return "0x" + our_key(height).hex()
    return _hex(f"somebody {height} {number}", 20)


def _log(height: int, number: int) -> Json:
    return {
        "address": "0x" + CONTRACT.hex(),
        "topics": [
            TRANSFER_TOPIC,
            "0x" + "0" * 24 + _hex(f"sender {height} {number}", 20)[2:],
            "0x" + "0" * 24 + _recipient(height, number)[2:],
        ],
        "data": f"0x{1_000_000 + number:064x}",
        "blockNumber": hex(height),
        "transactionHash": _hex(f"transaction {height} {number}"),
        "transactionIndex": hex(number),
        "blockHash": _hex(f"block {height}"),
        "blockTimestamp": hex(1_700_000_000 + 12 * height),
        "logIndex": hex(number),
        "removed": False,
    }


def _transaction(height: int, number: int) -> Json:
    return {
        "blockHash": _hex(f"block {height}"),
        "blockNumber": hex(height),
        "from": _hex(f"sender {height} {number}", 20),
        "gas": "0x186a0",
        "gasPrice": "0x3b9aca00",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x3b9aca00",
        "hash": _hex(f"transaction {height} {number}"),
        "input": f"0xa9059cbb{'0' * 24}{_recipient(height, number)[2:]}{1_000_000 + number:064x}",
        "nonce": hex(number),
        "to": "0x" + CONTRACT.hex(),
        "transactionIndex": hex(number),
        "value": "0x0",
        "type": "0x2",
        "accessList": [],
        "chainId": hex(CHAIN_ID),
        "v": "0x1",
        "yParity": "0x1",
        "r": _hex(f"r {height} {number}"),
        "s": _hex(f"s {height} {number}"),
    }


def _block(height: int, transactions: list[Any]) -> Json:
    return {
        "hash": _hex(f"block {height}"),
        "parentHash": _hex(f"block {height - 1}"),
        "sha3Uncles": _hex("uncles"),
        "miner": _hex("miner", 20),
        "stateRoot": _hex(f"state {height}"),
        "transactionsRoot": _hex(f"transactions {height}"),
        "receiptsRoot": _hex(f"receipts {height}"),
        "logsBloom": "0x" + sha256(b"bloom %d" % height).hexdigest() * 8,
        "difficulty": "0x0",
        "number": hex(height),
        "gasLimit": "0x2255100",
        "gasUsed": "0x632ea0",
        "timestamp": hex(1_700_000_000 + 12 * height),
        "extraData": "0x",
        "mixHash": _hex(f"mix {height}"),
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x3b9aca00",
        "size": "0x4a3b",
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


class Answers:
    """The recorded results, as bytes of JSON, by height."""

    def __init__(self) -> None:
        numbers = range(TRANSFERS_PER_BLOCK)
        heights = range(BLOCKS + 1)
        self._heights = {_hex(f"block {height}"): height for height in heights}
        self._logs = [b",".join(orjson.dumps(_log(height, n)) for n in numbers) for height in heights]
        transactions = [[_transaction(height, n) for n in numbers] for height in heights]
        self._full = [orjson.dumps(_block(height, transactions[height])) for height in heights]
        self._short = [
            orjson.dumps(_block(height, [each["hash"] for each in transactions[height]]))
            for height in heights
        ]

    def answer(self, body: bytes) -> bytes:
        """The answer to a call or to a batch of them."""
        asked = orjson.loads(body)
        if isinstance(asked, dict):
            return self._one(asked)
        return b"[" + b",".join(self._one(call) for call in asked) + b"]"

    def _one(self, call: Json) -> bytes:
        return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (
            orjson.dumps(call["id"]),
            self._result(call["method"], call["params"]),
        )

    def _result(self, method: str, params: list[Any]) -> bytes:
        if method == "eth_getLogs":
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            return b"[" + b",".join(self._logs[first : last + 1]) + b"]"
        if method == "eth_getBlockByNumber":
            return (self._full if params[1] else self._short)[int(params[0], 16)]
        if method == "eth_call":
            # A balance of the token, by the block's hash: it grows by more than any transfer here is worth.
            return orjson.dumps(f"0x{self._heights[params[1]['blockHash']] * 10**9:064x}")
        return orjson.dumps(hex(CHAIN_ID))


@contextmanager
def served() -> Iterator[str]:
    """The address of a fresh server in a child process, stopped at the end."""
    command = [sys.executable, "-m", "bench.evm_answers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.stdin.close()
            child.wait(10)


def main() -> None:
    """Serve until standard input ends."""
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = answers.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
