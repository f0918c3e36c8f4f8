"""How the watching of a network goes, logged when it changes, and while it is bad once a minute."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from enum import StrEnum

logger = logging.getLogger("chains.watcher")

_REPEAT_AFTER = timedelta(minutes=1)


class StepStatus(StrEnum):
    """What one step of a watcher came to."""

    CURRENT = "current"  # everything the node knew is in the database
    MORE = "more"  # the node knows more: step again
    NODE_BEHIND = "node behind"  # the node itself lacks blocks
    NODE_DOWN = "node down"  # no node gave a usable answer
    OVERTAKEN = "overtaken"  # another watcher moved the cursor meanwhile; nothing was written
    HALTED = "halted"  # stopped until a person resumes it, or disabled


_BAD = frozenset({StepStatus.NODE_BEHIND, StepStatus.NODE_DOWN})
# Network → whether it was bad, and when that was logged. Losing it costs one repeated line.
_logged: dict[str, tuple[bool, datetime]] = {}


def note(network_slug: str, status: StepStatus, detail: str, *, at: datetime) -> None:
    """Log that the network's watching broke, is still broken, or recovered."""
    is_bad = status in _BAD
    was_bad, logged_at = _logged.get(network_slug, (False, at))
    if is_bad and (not was_bad or at - logged_at >= _REPEAT_AFTER):
        logger.warning("%s: %s", status.value, detail, extra={"network": network_slug})
        _logged[network_slug] = (True, at)
    elif was_bad and not is_bad:
        logger.info("recovered", extra={"network": network_slug, "since": logged_at.isoformat()})
        _logged[network_slug] = (False, at)
