"""How many confirmations a payment of an invoice needs: by the store's speed policy, and more for large amounts."""

from __future__ import annotations

from chains import confirmations
from chains.models import Network
from payments.models import ConfirmationTier, Invoice


class Depth:
    """The numbers that hold for one invoice; the table of tiers is read once."""

    def __init__(self, invoice: Invoice) -> None:
        self._speed_policy = invoice.speed_policy
        tiers = ConfirmationTier.objects.filter(from_amount_tiyn__lte=invoice.amount_tiyn)
        # The highest tier that the amount reaches comes last and stands.
        self._by_network = {
            tier.network_id: tier.confirmations for tier in tiers.order_by("network", "from_amount_tiyn")
        }

    def required(self, network: Network) -> int:
        """Confirmations that a payment of this invoice needs on ``network``; 0 means in the mempool may be enough."""
        by_speed = confirmations.required(network, self._speed_policy)
        return max(by_speed, self._by_network.get(network.pk, 0))
