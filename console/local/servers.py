"""Postgres and Valkey as our own child processes, in one folder."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from console.local.postgres import Postgres
from console.local.server import Server
from console.local.valkey import Valkey


class Servers:
    """Both servers over one folder; `postgres` and `redis` can be killed and restarted on their own."""

    def __init__(self, folder: Path, durable: bool = True) -> None:
        """With `durable=False` they are quick and lose data in a power cut, never in a crash of Postgres."""
        folder = folder.absolute()
        make_folder(folder)
        logs = folder / "logs"
        # Opened by us for the servers: their user needs no way in, and neither does anybody else.
        logs.mkdir(mode=0o700, exist_ok=True)
        self.postgres = Server(Postgres(folder / "postgres", durable), logs / "postgres.log")
        self.redis = Server(Valkey(folder / "valkey", durable), logs / "valkey.log")

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.redis.url

    @property
    def both(self) -> list[Server]:
        return [self.redis, self.postgres]

    def start(self, only: Sequence[Server] | None = None) -> None:
        """All at once, each of them ready afterwards."""
        wanted = self.both if only is None else only
        try:
            for server in wanted:
                server.launch()
            for server in wanted:
                server.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for server in self.both:
            server.stop()

    def kill(self) -> None:
        for server in self.both:
            server.kill()


@contextlib.contextmanager
def embedded_servers(folder: Path, durable: bool = True) -> Iterator[Servers]:
    servers = Servers(folder, durable)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


def make_folder(folder: Path) -> None:
    """Others may pass through, as the user of Postgres must; what is secret inside is closed itself."""
    if not folder.is_dir():
        folder.mkdir(mode=0o711, parents=True)
