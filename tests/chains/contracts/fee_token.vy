# pragma version 0.4.3
# @title A token that keeps a tenth of each transfer, and yet logs the whole. For tests alone.

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

balanceOf: public(HashMap[address, uint256])
decimals: public(uint256)


@deploy
def __init__():
    self.decimals = 6


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount - amount // 10
    log Transfer(sender=msg.sender, receiver=receiver, value=amount)
    return True
