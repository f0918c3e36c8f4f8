"""A database with our tables and a broker, in a scratch directory, for programs that measure single parts of us.

Settings are read from the environment once a process, so there is one installation a process: the first ``start`` makes it,
and it goes away with the process.
"""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis

# The account keys of the phrase that every wallet's documentation uses ("abandon … about").
BITCOIN_KEY = "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
EVM_KEY = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"


@cache
def start() -> None:
    """Start PostgreSQL and Redis, set Django up on them and migrate. Asked again it does nothing."""
    directory = Path(tempfile.mkdtemp(prefix="alatau-pay-bench-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    postgres = EmbeddedPostgres(directory / "postgres", durable=False)
    redis = EmbeddedRedis(directory / "redis", durable=False)
    for server in (postgres, redis):
        server.start()
        atexit.register(server.stop)
    postgres.wait_ready()
    redis.wait_ready()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="alatau_pay.settings",
        SECRET_KEY="for measuring alone",
        SECRETS_KEYS=base64.urlsafe_b64encode(b"for measuring alone".ljust(32)).decode(),
        ALLOWED_HOSTS="localhost",
        SITE_URL="http://localhost",
        DATABASE_URL=postgres.url,
        REDIS_URL=redis.url,
        NODE_URLS="",
        LOG_LEVEL="WARNING",
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill_addresses(slug: str, count: int, key_sql: str) -> None:
    """Make the network's deposit addresses ``count`` in number; ``key_sql`` gives the key of number ``n``."""
    from django.db import connection

    from chains.models import Wallet

    wallet = Wallet.objects.get(network_id=slug)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chains_depositaddress"
            " (network_id, wallet_id, derivation_index, key, address, purpose, created_at)"
            f" SELECT %s, %s, n, {key_sql}, 'address ' || n, 'purpose ' || n, now()"
            " FROM generate_series("
            "   (SELECT count(*) FROM chains_depositaddress WHERE wallet_id = %s), %s - 1) AS n",
            [slug, wallet.pk, wallet.pk, count],
        )
        cursor.execute("VACUUM ANALYZE chains_depositaddress")
