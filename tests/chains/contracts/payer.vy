# pragma version 0.4.3
# @title Pays on like an old contract, with the 2,300 gas of `send`, or with all it has. For tests alone.

refuses: public(bool)


@external
@payable
def __default__():
    assert not self.refuses, "no coin, please"


@external
def refuse(refuses: bool):
    self.refuses = refuses


@external
@payable
def pay_with_stipend(receiver: address):
    send(receiver, msg.value)


@external
@payable
def pay_with_data(receiver: address):
    raw_call(receiver, b"thank you", value=msg.value)
