"""How often a page without log-in takes what is typed. Counted in Redis; without it nobody is kept out."""

from __future__ import annotations

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

TRIES_MAX = 10
WITHIN_SECONDS = 600


def allowed(what: str) -> bool:
    """Count one more try at ``what``; False once there were ten within ten minutes."""
    key = f"tries:{what}"
    try:
        cache.add(key, 0, WITHIN_SECONDS)
        return int(cache.incr(key)) <= TRIES_MAX
    except ValueError:
        return True  # it expired between the two questions
    except RedisError as error:
        logger.warning("tries are not counted: %s", type(error).__name__)
        return True
