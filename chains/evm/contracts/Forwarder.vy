# pragma version 0.4.3
# pragma evm-version cancun
# @title What every deposit forwarder does: hand all it holds to the treasury.
# @notice The treasury is part of this contract's code, and no call has another destination. So anyone may empty a forwarder,
#         in any order, any number of times, also from within a call that a token makes: it can only bring money home.
# @dev Proxies delegate here. There is no storage, no owner, no pause, no upgrade.

from ethereum.ercs import IERC20

# A token that said no, or said nothing usable: its balance stays where it is and can be tried again.
event TokenNotMoved:
    token: indexed(address)

# The treasury did not take the coin (a contract that reverts): it stays where it is and can be tried again.
event CoinNotMoved:
    amount: uint256

TOKENS_MAX: constant(uint256) = 16
# No token needs as much for a transfer. One that burns all it gets (a failed assertion of an old compiler does) leaves the rest.
TOKEN_GAS_MAX: constant(uint256) = 500_000
# A call gets at most 63/64 of the gas there is. Where less than this is left after one that failed, it may have failed for want of gas
# alone: then all of it reverts, so that nobody reports a token that is sound, and a node estimates enough gas.
GAS_LEFT_MIN: constant(uint256) = 20_000

TREASURY: public(immutable(address))


@deploy
def __init__(treasury: address):
    assert treasury != empty(address), "no treasury"
    TREASURY = treasury


@external
@payable
def __default__():
    # Coin that comes with data. Coin without data does not get here: the proxy takes it by itself.
    pass


@external
def flush(tokens: DynArray[address, TOKENS_MAX]):
    """
    @notice Send the coin and the whole balance of each of `tokens` to the treasury.
    @dev What cannot be moved is reported by an event and blocks nothing else.
    """
    amount: uint256 = self.balance
    if amount != 0:
        if not raw_call(TREASURY, b"", value=amount, revert_on_failure=False):
            assert msg.gas > GAS_LEFT_MIN, "too little gas"
            log CoinNotMoved(amount=amount)
    for token: address in tokens:
        if not self._move(token):
            assert msg.gas > GAS_LEFT_MIN, "too little gas"
            log TokenNotMoved(token=token)


@internal
def _move(token: address) -> bool:
    """
    @dev False unless the token itself said yes. At most 32 bytes of an answer are read, however long a token makes it.
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(self, method_id=method_id("balanceOf(address)")),
        max_outsize=32,
        gas=TOKEN_GAS_MAX,
        is_static_call=True,
        revert_on_failure=False,
    )
    # An address without a contract answers with success and nothing.
    if not success or len(answer) != 32:
        return False
    balance: uint256 = convert(answer, uint256)
    if balance == 0:
        return True
    success, answer = raw_call(
        token,
        abi_encode(TREASURY, balance, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        gas=TOKEN_GAS_MAX,
        revert_on_failure=False,
    )
    # Some tokens return nothing on success (USDT on Ethereum); some return false instead of reverting.
    return success and (len(answer) == 0 or (len(answer) == 32 and convert(answer, uint256) == 1))
