"""The demo's networks, as the commands that start one describe them."""

from __future__ import annotations

from django.utils import timezone

from chains.models import Network, OnChainAsset, Wallet
from payments.management.commands.seed_demo import seed_networks

TOKEN = "0x" + "7e" * 20
REGTEST_GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"


def test_the_demo_has_two_networks_three_assets_and_a_wallet_on_each(db: None) -> None:
    described = {
        "bitcoin": {"anchor_height": 0, "anchor_hash_hex": REGTEST_GENESIS},
        "evm": {"anchor_height": 1, "anchor_hash_hex": "ab" * 32, "chain_id": 31337, "token": TOKEN},
    }
    seed_networks(described, now=timezone.now())
    networks = {row.pk: (row.anchor_height, row.chain_id, row.finality_tag) for row in Network.objects.all()}
    assert networks == {"bitcoin": (0, None, ""), "evm": (1, 31337, "")}
    assets = {
        row.pk: (row.network_id, row.symbol, row.decimals, row.quote_decimals)
        for row in OnChainAsset.objects.all()
    }
    assert assets == {
        "BTC": ("bitcoin", "BTC", 8, 8),
        "ETH": ("evm", "ETH", 18, 7),
        "USDT": ("evm", "USDT", 6, 3),
    }
    assert set(Wallet.objects.values_list("network_id", flat=True)) == {"bitcoin", "evm"}
