"""Servers as they are elsewhere: behind TLS, which is checked; and a Redis Cluster, which is refused."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from console.local.ports import free_port
from console.local.valkey import binary
from shared.redis_modes import cluster_refused, is_cluster
from shared.settings import addresses
from tests.operations.tls import authority, wall
from tests.process.conftest import Fleet
from tests.waiting import until


def behind(url: str, port: int, query: str) -> str:
    parts = urlsplit(url)
    scheme = "rediss" if parts.scheme == "redis" else parts.scheme
    return f"{scheme}://{parts.netloc.rpartition('@')[0]}@localhost:{port}{parts.path}?{query}"


@pytest.mark.timeout(180)
def test_a_firing_runs_where_postgres_and_redis_speak_tls_only_and_are_checked(fleet: Fleet, tmp_path: Path) -> None:
    certificate, key = authority(tmp_path)
    database, redis = fleet.environment["DATABASE_URL"], fleet.environment["REDIS_URL"]
    with (
        wall(urlsplit(database).port or 0, certificate, key, postgres=True) as postgres_wall,
        wall(urlsplit(redis).port or 0, certificate, key) as redis_wall,
    ):
        fleet.environment.update(
            DATABASE_URL=behind(database, postgres_wall.port, f"sslmode=verify-full&sslrootcert={certificate}"),
            REDIS_URL=behind(redis, redis_wall.port, f"ssl_ca_certs={certificate}"),
            SLOTBEAT_LEASE_SECONDS="10",
        )
        worker, beat = fleet.worker(), fleet.beat()
        fleet.schedule(fleet.workspace(), "a", ["true"])

        assert fleet.ended() == [("a", "completed", None)]

        assert postgres_wall.entered >= 3
        assert redis_wall.entered >= 3
        for it in (beat, worker):
            it.end_tree()


@pytest.mark.timeout(120)
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """Celery's broker would take rediss:// without more for a server without TLS, and send its password in clear."""
    certificate, key = authority(tmp_path)
    redis = fleet.environment["REDIS_URL"]
    with wall(urlsplit(redis).port or 0, certificate, key) as redis_wall:
        fleet.environment["REDIS_URL"] = behind(redis, redis_wall.port, "").rstrip("?")
        beat = fleet.beat()
        fleet.schedule(fleet.workspace(), "a", ["true"])
        until(lambda: beat.says("certificate verify failed"), 60)
        beat.end_tree()

        assert redis_wall.entered == 0
        assert redis_wall.refused > 0


def test_the_broker_checks_certificates_unless_it_is_told_how() -> None:
    def broker(url: str) -> str:
        return addresses({"DATABASE_URL": "postgresql://", "REDIS_URL": url}).broker_url

    assert broker("redis://h/0") == "redis://h/0"
    assert broker("rediss://h/0") == "rediss://h/0?ssl_cert_reqs=required"
    assert broker("rediss://h/0?ssl_ca_certs=x") == "rediss://h/0?ssl_ca_certs=x&ssl_cert_reqs=required"
    assert broker("rediss://h/0?ssl_cert_reqs=none") == "rediss://h/0?ssl_cert_reqs=none"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A node of a real Cluster."""
    while True:
        with a_node(tmp_path, free_port()) as (server, url):
            # It ends by itself where its second port, 10,000 above, is taken.
            until(lambda server=server, url=url: server.poll() is not None or is_cluster(url))
            if server.poll() is None:
                yield url
                return


@contextmanager
def a_node(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    argv = [str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            yield server, f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


@pytest.mark.parametrize("variable", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_cluster_is_refused_with_the_remedy_by_who_would_need_it(variable: str, cluster: str, fleet: Fleet) -> None:
    fleet.environment[variable] = cluster

    for it in (fleet.beat(), fleet.worker()):
        assert it.wait(60) != 0
        assert f"{variable} is a node of a Redis Cluster" in it.text
        assert "without cluster mode" in it.text.replace("\n", " ")


def test_what_is_no_cluster_or_does_not_answer_is_not_refused(fleet: Fleet) -> None:
    assert cluster_refused(addresses(fleet.environment)) is None
    assert cluster_refused(addresses({"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://127.0.0.1:1/0"})) is None
    with Redis.from_url(fleet.environment["REDIS_URL"]) as client:
        assert client.ping()
