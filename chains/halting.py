"""Stopping a network whose node contradicts what we know, until a person has looked."""

from __future__ import annotations

import logging
from datetime import datetime

from chains.models import Network

logger = logging.getLogger(__name__)


def halt(network_slug: str, *, reason: str, now: datetime) -> bool:
    """Stop reading the network. Returns whether it was running; the reason is logged once, by whoever stopped it."""
    stopped = Network.objects.filter(pk=network_slug, halted_at__isnull=True).update(
        halted_at=now, halted_reason=reason[:300]
    )
    if stopped:
        logger.error("network halted: %s", reason, extra={"network": network_slug})
    return bool(stopped)


def resume(network_slug: str) -> bool:
    """Read the network again from its cursor. Returns whether it was stopped."""
    resumed = Network.objects.filter(pk=network_slug, halted_at__isnull=False).update(
        halted_at=None, halted_reason=""
    )
    if resumed:
        logger.warning("network resumed by hand", extra={"network": network_slug})
    return bool(resumed)
