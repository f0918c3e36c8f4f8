# pragma version 0.4.3
# @title A token whose manners are chosen when it is made. For tests alone.
# @dev 0: as it should be. 1: returns nothing. 2: returns false and moves nothing. 3: reverts. 4: keeps a tenth as its fee.
#      5: calls back into forwarder and factory before it moves what is left. 6: says no balance. 7: returns four words.
#      8: burns all gas. 9: calls back, and then cannot move what the call back moved.

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

interface Flushable:
    def flush(tokens: DynArray[address, 16]): nonpayable

interface Factory:
    def flush(numbers: DynArray[uint256, 256], tokens: DynArray[address, 16]): nonpayable

MANNER: immutable(uint256)
balances: HashMap[address, uint256]
factory: address
number: uint256
depth: uint256
calls_back: public(uint256)


@deploy
def __init__(manner: uint256):
    MANNER = manner


@external
def mint(receiver: address, amount: uint256):
    self.balances[receiver] += amount
    log Transfer(sender=empty(address), receiver=receiver, value=amount)


@external
def call_back_through(factory: address, number: uint256):
    self.factory = factory
    self.number = number


@external
@view
def balanceOf(owner: address) -> uint256:
    if MANNER == 6:
        raw_revert(b"")
    return self.balances[owner]


@external
@raw_return
def transfer(receiver: address, amount: uint256) -> Bytes[128]:
    if MANNER == 2:
        return abi_encode(False)
    if MANNER == 3:
        raw_revert(b"no")
    if MANNER == 8:
        raise UNREACHABLE
    if (MANNER == 5 and self.depth < 2) or (MANNER == 9 and self.depth < 1):
        self.depth += 1
        self._call_back(msg.sender)
    moved: uint256 = amount
    if MANNER == 5:
        moved = min(amount, self.balances[msg.sender])
    self.balances[msg.sender] -= moved
    arrived: uint256 = moved
    if MANNER == 4:
        arrived -= amount // 10
    self.balances[receiver] += arrived
    log Transfer(sender=msg.sender, receiver=receiver, value=arrived)
    if MANNER == 1:
        return b""
    if MANNER == 7:
        return abi_encode(True, True, True, True)
    return abi_encode(True)


@internal
def _call_back(forwarder: address):
    self.calls_back += 1
    extcall Flushable(forwarder).flush([self])
    if self.factory != empty(address):
        extcall Factory(self.factory).flush([self.number], [self])
