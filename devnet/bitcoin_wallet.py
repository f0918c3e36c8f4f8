"""The resident's Bitcoin wallet on regtest: one P2WPKH key, derived from a phrase, that pays and replaces.

It holds a private key, which is why it lives here and never in the gateway. It asks the node for its coins,
so it works on the development node and on bitcoind alike, and needs no files.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, unquote

from embit import script as embit_script
from embit.ec import PrivateKey
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

from devnet.bitcoin_script import address_of_script, dust_threshold_sat, script_of_address
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint
from devnet.process import JsonRpcError

RESIDENT_PHRASE = "alatau pay: the development resident"
DEFAULT_FEE_RATE = 5
REPLACEABLE_SEQUENCE = 0xFFFFFFFD
FINAL_SEQUENCE = 0xFFFFFFFE
COINBASE_MATURITY = 100
SATOSHI_PER_BTC = 100_000_000
#: Past the 101 that make one coinbase spendable, so that a deep reorg does not make it immature again.
FUNDING_BLOCKS = 130
SCAN_ATTEMPTS = 50

Rpc = Callable[..., Any]


class WalletError(Exception):
    """The wallet cannot do what was asked; the message says why."""


@dataclass(frozen=True)
class WalletCoin:
    """An output of the wallet's own that it can spend, in satoshi."""

    outpoint: OutPoint
    amount_sat: int


@dataclass(frozen=True)
class SignedPayment:
    """A signed transaction that was not sent yet."""

    txid: str
    raw_hex: str
    coins: tuple[WalletCoin, ...]
    fee_sat: int


@dataclass(frozen=True)
class PaymentRequest:
    """What a BIP 21 URI or a bare address asks for; the amount is in satoshi, None where it names none."""

    address: str
    amount_sat: int | None


def parse_payment_request(text: str) -> PaymentRequest:
    """Read a BIP 21 URI, or a bare address. Raises WalletError; an unknown ``req-`` parameter is one."""
    scheme, separator, rest = text.partition(":")
    if not separator:
        return PaymentRequest(text, None)
    if scheme.lower() != "bitcoin":
        raise WalletError(f"not a bitcoin URI: {text}")
    address, _, query = rest.partition("?")
    parameters = {name.lower(): value for name, value in parse_qsl(query)}
    required = [name for name in parameters if name.startswith("req-")]
    if required:
        raise WalletError(f"the URI requires what this wallet does not know: {', '.join(required)}")
    amount = parameters.get("amount")
    return PaymentRequest(unquote(address), _satoshi(amount) if amount is not None else None)


def _satoshi(amount_btc: str | Decimal) -> int:
    """A decimal BTC amount in satoshi. Raises WalletError when it is not a whole number of them."""
    try:
        satoshi = Decimal(amount_btc) * SATOSHI_PER_BTC
    except InvalidOperation:
        raise WalletError(f"not an amount: {amount_btc}") from None
    if not satoshi.is_finite() or satoshi != int(satoshi):
        raise WalletError(f"not a whole number of satoshi: {amount_btc}")
    return int(satoshi)


class BitcoinWallet:
    """Pays from one key; ``rpc`` is called with a method and its arguments, as ``NodeProcess.rpc`` is."""

    def __init__(self, rpc: Rpc, *, phrase: str = RESIDENT_PHRASE) -> None:
        self._rpc = rpc
        self._key = PrivateKey(hashlib.sha256(phrase.encode()).digest())
        self._public_key = self._key.get_public_key()
        self._script = bytes(embit_script.p2wpkh(self._public_key).data)
        self.address = str(address_of_script(self._script))
        #: Change that is not mined yet; asking the node for it would mean reading the whole mempool.
        self._change: dict[OutPoint, int] = {}

    def fund(self, *, coins: int = 20) -> None:
        """Make sure of at least ``coins`` spendable coins: mine the wallet's own coinbases once, then split one."""
        available = self.coins()
        if len(available) >= coins:
            return
        if not available:
            self._rpc("generatetoaddress", FUNDING_BLOCKS, self.address)
            available = self.coins()
        share_sat = available[0].amount_sat // (coins + 1)
        self.pay_many([(self.address, share_sat)] * coins)
        self.mine(1)

    def mine(self, blocks: int = 1) -> list[str]:
        """Mine blocks that reward this wallet; returns their hashes."""
        hashes: list[str] = self._rpc("generatetoaddress", blocks, self.address)
        return hashes

    def balance_sat(self) -> int:
        """What can be spent now, in satoshi."""
        return sum(coin.amount_sat for coin in self.coins())

    def coins(self) -> list[WalletCoin]:
        """Spendable coins, the oldest first: mature, not spent in the mempool, own unconfirmed change last."""
        scan = self._scan()
        found = [
            (item["height"], WalletCoin(OutPoint(item["txid"], item["vout"]), _satoshi(item["amount"])))
            for item in scan["unspents"]
            if not item["coinbase"] or scan["height"] - item["height"] + 1 >= COINBASE_MATURITY
        ]
        confirmed = [coin for _, coin in sorted(found, key=lambda pair: (pair[0], pair[1].outpoint))]
        return self._unspent([*confirmed, *self._unconfirmed_change()])

    def pay(
        self,
        request: str,
        amount_sat: int | None = None,
        *,
        fee_rate: int = DEFAULT_FEE_RATE,
        replaceable: bool = True,
    ) -> str:
        """Pay a BIP 21 URI or an address and return the txid. ``fee_rate`` is in satoshi per vbyte.

        ``amount_sat`` may be left out where the URI names the amount, and overrides it where given.
        """
        wanted = parse_payment_request(request)
        amount = amount_sat if amount_sat is not None else wanted.amount_sat
        if amount is None:
            raise WalletError("neither the URI nor the caller names an amount")
        return self.pay_many([(wanted.address, amount)], fee_rate=fee_rate, replaceable=replaceable)

    def pay_many(
        self,
        payments: Sequence[tuple[str, int]],
        *,
        fee_rate: int = DEFAULT_FEE_RATE,
        replaceable: bool = True,
    ) -> str:
        """Pay several (address, satoshi) in one transaction and return its txid."""
        return self.broadcast(self.sign(payments, fee_rate=fee_rate, replaceable=replaceable))

    def sign(
        self,
        payments: Sequence[tuple[str, int]],
        *,
        fee_rate: int = DEFAULT_FEE_RATE,
        replaceable: bool = True,
        coins: Sequence[WalletCoin] | None = None,
    ) -> SignedPayment:
        """Sign without sending; with ``coins`` exactly these are spent. Raises WalletError when they do not suffice."""
        outputs = [(script_of_address(address), amount_sat) for address, amount_sat in payments]
        needed_sat = sum(amount_sat for _, amount_sat in outputs)
        if coins is not None:
            return self._signed(list(coins), outputs, fee_rate, replaceable)
        chosen: list[WalletCoin] = []
        for coin in self.coins():
            chosen.append(coin)
            if sum(item.amount_sat for item in chosen) >= needed_sat + fee_rate * _vsize(
                len(chosen), outputs
            ):
                return self._signed(chosen, outputs, fee_rate, replaceable)
        raise WalletError(f"not enough coins for {needed_sat} sat: call fund()")

    def broadcast(self, signed: SignedPayment) -> str:
        """Send a signed payment and remember its change. Raises JsonRpcError when the node refuses it."""
        txid: str = self._rpc("sendrawtransaction", signed.raw_hex, 0)
        for index, output in enumerate(BitcoinTransaction.parse(bytes.fromhex(signed.raw_hex)).outputs):
            if output.script_pubkey == self._script:
                self._change[OutPoint(txid, index)] = output.amount_sat
        return txid

    def bump(self, txid: str, *, fee_rate: int) -> str:
        """Replace an unconfirmed payment by one to the same recipients at a higher fee rate; returns its txid."""
        old = self._transaction(txid)
        payments = [
            (str(address_of_script(output.script_pubkey)), output.amount_sat)
            for output in old.outputs
            if output.script_pubkey != self._script
        ]
        return self.broadcast(self.sign(payments, fee_rate=fee_rate, coins=self._coins_of(old)))

    def double_spend_of(self, txid: str) -> str:
        """Replace an unconfirmed payment by one that takes all its coins back at a higher fee; returns its txid."""
        old = self._transaction(txid)
        coins = self._coins_of(old)
        total_sat, vsize = sum(coin.amount_sat for coin in coins), _vsize(len(coins), [(self._script, 0)])
        fee_rate = (total_sat - old.output_total_sat) // vsize + 1 + DEFAULT_FEE_RATE
        payments = [(self.address, total_sat - fee_rate * vsize)]
        return self.broadcast(self.sign(payments, fee_rate=fee_rate, coins=coins))

    def _transaction(self, txid: str) -> BitcoinTransaction:
        return BitcoinTransaction.parse(bytes.fromhex(self._rpc("getrawtransaction", txid)))

    def _coins_of(self, transaction: BitcoinTransaction) -> list[WalletCoin]:
        """The coins that a payment of this wallet spends."""
        points = [item.previous for item in transaction.inputs]
        return [
            WalletCoin(point, self._transaction(point.txid).outputs[point.index].amount_sat)
            for point in points
        ]

    def _scan(self) -> Any:
        """The wallet's confirmed coins. bitcoind scans for one caller at a time, so a busy one is asked again."""
        for _ in range(SCAN_ATTEMPTS):
            try:
                return self._rpc("scantxoutset", "start", [f"addr({self.address})"])
            except JsonRpcError as error:
                if "already in progress" not in error.message:
                    raise
                time.sleep(0.05)
        raise WalletError("the node is busy scanning")

    def _unconfirmed_change(self) -> list[WalletCoin]:
        """Own change that waits in the mempool; what was mined is found by the scan, what was dropped is gone."""
        if self._change:
            waiting = set(self._rpc("getrawmempool"))
            self._change = {point: amount for point, amount in self._change.items() if point.txid in waiting}
        return [WalletCoin(point, amount_sat) for point, amount_sat in self._change.items()]

    def _unspent(self, coins: list[WalletCoin]) -> list[WalletCoin]:
        """Those that no member of the mempool spends."""
        if not coins:
            return []
        points = [{"txid": coin.outpoint.txid, "vout": coin.outpoint.index} for coin in coins]
        answers = self._rpc("gettxspendingprevout", points)
        spent = {OutPoint(item["txid"], item["vout"]) for item in answers if "spendingtxid" in item}
        return [coin for coin in coins if coin.outpoint not in spent]

    def _signed(
        self, coins: list[WalletCoin], outputs: list[tuple[bytes, int]], fee_rate: int, replaceable: bool
    ) -> SignedPayment:
        total_sat, paid_sat = sum(coin.amount_sat for coin in coins), sum(amount for _, amount in outputs)
        fee_sat = fee_rate * _vsize(len(coins), [*outputs, (self._script, 0)])
        change_sat = total_sat - paid_sat - fee_sat
        if change_sat >= dust_threshold_sat(self._script):
            outputs = [*outputs, (self._script, change_sat)]
        else:
            fee_sat = total_sat - paid_sat
        if fee_sat < fee_rate * _vsize(len(coins), outputs):
            raise WalletError(f"coins of {total_sat} sat do not cover {paid_sat} sat and the fee")
        transaction = self._witnessed(coins, outputs, REPLACEABLE_SEQUENCE if replaceable else FINAL_SEQUENCE)
        raw = transaction.serialize()
        return SignedPayment(BitcoinTransaction.parse(raw).txid, raw.hex(), tuple(coins), fee_sat)

    def _witnessed(
        self, coins: list[WalletCoin], outputs: list[tuple[bytes, int]], sequence: int
    ) -> Transaction:
        transaction = Transaction(
            version=2,
            vin=[
                TransactionInput(bytes.fromhex(coin.outpoint.txid), coin.outpoint.index, sequence=sequence)
                for coin in coins
            ],
            vout=[TransactionOutput(amount, embit_script.Script(script)) for script, amount in outputs],
        )
        script_code = embit_script.p2pkh(self._public_key)
        for index, coin in enumerate(coins):
            digest = transaction.sighash_segwit(index, script_code, coin.amount_sat, SIGHASH.ALL)
            signature = self._key.sign(digest).serialize() + bytes([SIGHASH.ALL])
            transaction.vin[index].witness = embit_script.Witness([signature, self._public_key.serialize()])
        return transaction


def _vsize(inputs: int, outputs: Sequence[tuple[bytes, int]]) -> int:
    """The most virtual bytes that a payment of P2WPKH inputs takes."""
    return 11 + 68 * inputs + sum(9 + len(script) for script, _ in outputs)
