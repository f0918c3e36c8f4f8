"""The whole gateway on one machine: servers, development chains, web, live status, workers and beat, in one directory.

``make demo`` keeps one under ``var/``; the story and the tests make fresh ones elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alatau_pay.embedded import EmbeddedPostgres, EmbeddedRedis
from alatau_pay.embedded.ports import LOOPBACK, free_port, is_listening
from alatau_pay.embedded.process import ChildProcess
from devnet import preparation, readiness
from devnet.anvil import AnvilProcess
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.process import NodeProcess
from devnet.supervisor import Service, Supervisor

ROOT = Path(__file__).resolve().parent.parent
#: What 1 BTC, 1 ETH and 1 USDT cost in tenge, in the demo, where nobody trades.
FIXED_RATES = "BTC=34000000,ETH=1700000,USDT=495"
BITCOIN, EVM = "bitcoin", "evm"
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Ports:
    """Where the servers listen; each is replaced by a free one when it is taken."""

    web: int = 8000
    live: int = 8001
    shop: int = 8002
    postgres: int = 54320
    redis: int = 63790
    bitcoin: int = 18443
    bitcoin_zmq: int = 28332
    evm: int = 8545

    @classmethod
    def anywhere(cls) -> Ports:
        """Ports that nobody prefers: for gateways that run beside a demo or beside each other."""
        return cls(**dict.fromkeys(asdict(cls()), 0))

    def free(self) -> Ports:
        """The same, with a free port in the place of each taken one, and no port twice."""
        chosen: dict[str, int] = {}
        for name, preferred in asdict(self).items():
            port = free_port(preferred or None)
            while port in chosen.values():
                port = free_port()
            chosen[name] = port
        return Ports(**chosen)


class Gateway:
    """One installation in ``directory``; a context manager that is running inside and stopped, wholly, outside.

    ``with_merchants=False`` leaves out the merchants, stores and people that the demo starts with. ``say`` gets a line
    for each thing a person waits for or should know.
    """

    def __init__(
        self,
        directory: Path,
        *,
        with_merchants: bool = True,
        ports: Ports | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.directory = directory.absolute()
        self._with_merchants = with_merchants
        self._say = say
        self._ports = (ports or Ports()).free()
        self._supervisor = Supervisor(say)
        #: What ``demo.json`` says; empty until everything is ready.
        self.description: dict[str, Any] = {}
        log = self.directory / "log"
        self.postgres = EmbeddedPostgres(
            self.directory / "postgres",
            durable=True,
            port=self._ports.postgres,
            log_path=log / "postgres.log",
        )
        self.redis = EmbeddedRedis(
            self.directory / "redis", durable=True, port=self._ports.redis, log_path=log / "redis.log"
        )
        self.bitcoin = self._bitcoin_node()
        self.evm = AnvilProcess(self.directory / "chains" / "evm", port=self._ports.evm, save_seconds=1)

    @property
    def base_url(self) -> str:
        """Where the web server is reached."""
        return f"http://{LOOPBACK}:{self._ports.web}"

    @property
    def live_url(self) -> str:
        """Where the live-status server is reached."""
        return f"http://{LOOPBACK}:{self._ports.live}"

    @property
    def shop_url(self) -> str:
        """Where the demo's shop listens for webhooks and shows them."""
        return f"http://{LOOPBACK}:{self._ports.shop}"

    def start(self) -> dict[str, Any]:
        """Start everything and wait until it is ready; returns what ``demo.json`` says. Raises StartFailed."""
        self._start_servers()
        environment = self.environment()
        facts = preparation.prepare(
            self.directory,
            environment,
            networks=self._networks(),
            with_merchants=self._with_merchants,
            shop_url=self.shop_url,
            say=self._say,
        )
        self._supervisor.start(*self._programs(environment))
        self._supervisor.wait_ready(seconds=READY_SECONDS)
        readiness.wait_until_quoting(self.postgres.url, self.redis.url, seconds=READY_SECONDS)
        description = self.description = self._description(facts)
        preparation.write_private(
            self.directory / "demo.json", json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        )
        return description

    def watch(self, ending: threading.Event | None = None) -> None:
        """Restart what dies, until ``ending`` is set or an exception (KeyboardInterrupt) comes."""
        self._supervisor.watch(ending)

    def kill(self, name: str) -> None:
        """End one program ("web", "watcher", …) with SIGKILL. Raises KeyError for no such name."""
        self._supervisor.kill(name)

    def stop(self) -> None:
        """Stop everything; no process is left when this returns. What was committed is kept."""
        self._supervisor.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The settings of this installation's programs."""
        return {
            **os.environ,
            **self._secrets(),
            "DJANGO_SETTINGS_MODULE": "alatau_pay.settings",
            "DEBUG": "0",
            "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
            "SITE_URL": self.base_url,
            "LIVE_URL": self.live_url,
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "NODE_URLS": f"{BITCOIN}={self.bitcoin.url},{EVM}={self.evm.url}",
            "NODE_ZMQ_URLS": f"{BITCOIN}=tcp://{LOOPBACK}:{self._ports.bitcoin_zmq}",
            # Here a block is made when somebody pays, so a head that stays for days says nothing against its node.
            "NODE_STUCK_AFTER_SECONDS": str(10 * 365 * 86400),
            "RATE_SOURCES": "payments.rates.fixed.Fixed",
            "RATE_PATHS_MIN": "1",
            "FIXED_RATES": FIXED_RATES,
            "WEBHOOKS_TO_PRIVATE_ADDRESSES": "1",
            # Without EMAIL_URL every letter is printed into the log of the program that sends it.
            "ALERT_EMAILS": "duty@city.example",
            "PYTHONUNBUFFERED": "1",
        }

    def _start_servers(self) -> None:
        postgres, redis = Service.of_server(self.postgres), Service.of_server(self.redis)
        first_start = not (self.postgres.data_dir / "PG_VERSION").exists()
        if first_start:
            self._say("Making the database (the first start only)")
        self.postgres.initialise()
        self._supervisor.start(postgres, redis)
        self._supervisor.start(
            Service.of_node("EVM node", self.evm), Service.of_node("Bitcoin node", self.bitcoin)
        )
        self.postgres.wait_ready()
        self.redis.wait_ready()

    def _bitcoin_node(self) -> NodeProcess:
        # Each node keeps its blocks in its own way, so each has its own directory.
        make = BitcoinNodeProcess if find_bitcoind() is None else BitcoindProcess
        name = "bitcoin-development-node" if make is BitcoinNodeProcess else "bitcoind"
        ports = self._ports
        return make(self.directory / "chains" / name, port=ports.bitcoin, zmq_port=ports.bitcoin_zmq)

    def _networks(self) -> dict[str, dict[str, Any]]:
        """What the gateway has to know of each chain before it watches it."""
        from devnet.evm_token import deploy_token

        token = deploy_token(self.evm.rpc)
        # Not block 0: each start of anvil makes a new one, until it has read the blocks of the start before.
        first_block = self.evm.rpc("eth_getBlockByNumber", "0x1", False)
        return {
            BITCOIN: {"anchor_height": 0, "anchor_hash_hex": self.bitcoin.rpc("getblockhash", 0)},
            EVM: {
                "chain_id": int(self.evm.rpc("eth_chainId"), 16),
                "anchor_height": 1,
                "anchor_hash_hex": first_block["hash"].removeprefix("0x"),
                "token": token,
            },
        }

    def _programs(self, environment: dict[str, str]) -> list[Service]:
        celery = [sys.executable, "-m", "celery", "-A", "alatau_pay"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        web = [sys.executable, "-m", "gunicorn", "alatau_pay.wsgi:application"]
        web += ["--bind", f"{LOOPBACK}:{self._ports.web}"]
        web += ["--worker-class", "gthread", "--workers", "2", "--threads", "4"]
        web += ["--preload", "--no-control-socket"]
        live = [sys.executable, "-m", "uvicorn", "alatau_pay.asgi:application", "--host", LOOPBACK]
        # Streams stay open for as long as somebody watches: they must not hold back the end.
        live += ["--port", str(self._ports.live), "--no-access-log", "--timeout-graceful-shutdown", "1"]
        shop = [sys.executable, "-m", "devnet.shop", "--port", str(self._ports.shop)]
        shop += ["--description", str(self.directory / "demo.json")]
        beat = [*celery, "beat", "--schedule", str(self.directory / "beat-schedule"), "--pidfile", ""]
        program = self._program(environment)
        services = [
            program("web", web, lambda: readiness.answers_ok(f"{self.base_url}/api/v1/health")),
            program("live", live, lambda: is_listening(self._ports.live)),
            self._worker(program, "worker", [*celery, "worker", "-Q", "payments,default", "-c", "2", *quiet]),
            self._worker(
                program, "watcher", [*celery, "worker", "-Q", "watcher", "-P", "threads", "-c", "4", *quiet]
            ),
            program("beat", beat, lambda: True),
        ]
        if self._with_merchants:
            services.append(program("shop", shop, lambda: is_listening(self._ports.shop)))
        return services

    def _program(self, environment: dict[str, str]) -> Callable[..., Service]:
        def make(name: str, command: list[str], is_ready: Callable[[], bool]) -> Service:
            child = ChildProcess(
                name,
                command,
                log_path=self.directory / "log" / f"{name}.log",
                environment=environment,
                directory=ROOT,
                stop_seconds=5,
            )
            return Service.of_program(child, is_ready)

        return make

    def _worker(self, program: Callable[..., Service], name: str, command: list[str]) -> Service:
        hostname = f"{name}@demo"
        return program(
            name,
            [*command, "--hostname", hostname],
            lambda: readiness.worker_answers(self.redis.url, hostname),
        )

    def _secrets(self) -> dict[str, str]:
        """The keys of this installation, made once: what they sealed must open again at the next start."""
        path = self.directory / "secrets.json"
        if not path.exists():
            fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            preparation.write_private(
                path, json.dumps({"SECRET_KEY": secrets.token_urlsafe(48), "SECRETS_KEYS": fernet_key})
            )
        keys: dict[str, str] = json.loads(path.read_text())
        return keys

    def _description(self, facts: dict[str, Any]) -> dict[str, Any]:
        kind = "bitcoind" if isinstance(self.bitcoin, BitcoindProcess) else "development node"
        return {
            "base_url": self.base_url,
            "live_url": self.live_url,
            "shop_url": self.shop_url,
            **facts,
            "nodes": {
                BITCOIN: {"url": self.bitcoin.url, "kind": kind},
                EVM: {"url": self.evm.url, "kind": "anvil"},
            },
            "database_url": self.postgres.url,
            "redis_url": self.redis.url,
            "log": str(self.directory / "log"),
        }
