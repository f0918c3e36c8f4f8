"""What this installation offers a store: the admitted assets of the networks that it watches."""

from __future__ import annotations

from datetime import datetime

from chains.health_report import OBSERVATION_AGE_MAX
from chains.models import Network, OnChainAsset
from compliance import admission
from merchants.installation import AssetChoice


class Offering:
    """Implements ``merchants.installation.Installation``."""

    def asset_choices(self, now: datetime) -> list[AssetChoice]:
        """The assets admitted at ``now`` on enabled networks, by code."""
        admitted = admission.admitted(now)
        rows = OnChainAsset.objects.filter(code__in=admitted, network__enabled=True).select_related("network")
        return [
            AssetChoice(row.code, f"{row.name} ({row.symbol}), {row.network.name}", row.payment_method_id)
            for row in rows
        ]

    def is_synchronised(self, now: datetime) -> bool:
        """True when every enabled network was observed within the last minute and none is halted."""
        networks = list(Network.objects.filter(enabled=True))
        return bool(networks) and all(
            network.halted_at is None
            and network.observed_at is not None
            and now - network.observed_at <= OBSERVATION_AGE_MAX
            for network in networks
        )
