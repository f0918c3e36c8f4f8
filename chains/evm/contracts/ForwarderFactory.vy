# pragma version 0.4.3
# pragma evm-version cancun
# @title Deploys deposit forwarders where they were announced, and empties many of them in one call.
# @notice A forwarder's address follows from this contract's address, the implementation and a number; it can be paid long
#         before anything is deployed there. Anyone may call: all a forwarder can do is to pay the treasury.

# This forwarder could not be deployed or emptied; the others of the call were.
event ForwarderNotFlushed:
    number: indexed(uint256)

NUMBERS_MAX: constant(uint256) = 256
TOKENS_MAX: constant(uint256) = 16
# As in the forwarder: a failure with less gas left than this may be for want of gas, and reverts all.
GAS_LEFT_MIN: constant(uint256) = 50_000

# Copies what follows it into place: 51 bytes.
CREATION: constant(Bytes[9]) = x"60333d8160093d39f3"
# Empty call data: stop at once, so that 15 of the 2,300 gas that `transfer` and `send` leave are enough to be paid. Anything
# else: the minimal proxy of ERC-1167, its jump moved by the six bytes before it.
PROXY_HEAD: constant(Bytes[16]) = x"36600557005b363d3d373d3d3d363d73"
PROXY_TAIL: constant(Bytes[15]) = x"5af43d82803e903d91603157fd5bf3"

IMPLEMENTATION: public(immutable(address))


@deploy
def __init__(implementation: address):
    assert implementation.is_contract, "no implementation"
    IMPLEMENTATION = implementation


@external
@view
def address_of(number: uint256) -> address:
    """
    @notice Where forwarder `number` is, or will be.
    """
    return self._address_of(number, keccak256(self._creation_code()))


@external
def flush(numbers: DynArray[uint256, NUMBERS_MAX], tokens: DynArray[address, TOKENS_MAX]):
    """
    @notice Deploy those of the forwarders `numbers` that are not there yet, and empty each of its coin and of `tokens`.
    @dev One that fails is reported by an event and does not block the others.
    """
    creation_code: Bytes[60] = self._creation_code()
    creation_hash: bytes32 = keccak256(creation_code)
    flush_call: Bytes[580] = abi_encode(tokens, method_id=method_id("flush(address[])"))
    for number: uint256 in numbers:
        forwarder: address = self._address_of(number, creation_hash)
        success: bool = True
        if not forwarder.is_contract:
            success = raw_create(creation_code, salt=convert(number, bytes32), revert_on_failure=False) == forwarder
        if success:
            success = raw_call(forwarder, flush_call, revert_on_failure=False)
        if not success:
            assert msg.gas > GAS_LEFT_MIN, "too little gas"
            log ForwarderNotFlushed(number=number)


@internal
@view
def _creation_code() -> Bytes[60]:
    return concat(CREATION, PROXY_HEAD, convert(IMPLEMENTATION, bytes20), PROXY_TAIL)


@internal
@view
def _address_of(number: uint256, creation_hash: bytes32) -> address:
    """
    @dev EIP-1014.
    """
    digest: bytes32 = keccak256(concat(x"ff", convert(self, bytes20), convert(number, bytes32), creation_hash))
    return convert(convert(digest, uint256) & convert(max_value(uint160), uint256), address)
