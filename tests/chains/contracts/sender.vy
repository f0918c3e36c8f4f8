# pragma version 0.4.3
# @title Sends coin on from inside calls: at once, through another of its own calls, or in a call that then fails. For tests alone.

interface Sender:
    def pay_and_fail(receiver: address): payable


@external
@payable
def pay(receiver: address):
    raw_call(receiver, b"", value=msg.value)


@external
@payable
def pay_twice(first: address, second: address):
    raw_call(first, b"", value=msg.value // 3)
    raw_call(second, b"", value=msg.value - msg.value // 3)


@external
@payable
def pay_and_fail(receiver: address):
    raw_call(receiver, b"", value=msg.value)
    raise "and back again"


@external
@payable
def pay_inside_a_failing_call(receiver: address):
    success: bool = raw_call(
        self,
        abi_encode(receiver, method_id=method_id("pay_and_fail(address)")),
        value=msg.value,
        revert_on_failure=False,
    )
