"""Real PostgreSQL and Redis servers that arrive as Python wheels, for the demo and the tests; production never imports this."""

from alatau_pay.embedded.postgres import EmbeddedPostgres
from alatau_pay.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis"]
