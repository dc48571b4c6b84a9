"""Servers that answer and take no write: a standby, a Postgres that was made read-only, a replica."""

import shlex
from collections.abc import Iterator
from contextlib import closing
from typing import LiteralString, cast

import psycopg
import pytest
from redis import Redis

from console.doctor import servers
from console.doctor.patient import Patient
from console.local.servers import Servers
from shared.settings import addresses


@pytest.fixture
def patient(own_servers: Servers) -> Iterator[Patient]:
    where = addresses({"DATABASE_URL": own_servers.database_url, "REDIS_URL": own_servers.redis_url})
    with closing(Patient(where, {})) as made:
        yield made


def statement(remedy: str) -> LiteralString:
    """What the command that is to be typed sends."""
    return cast("LiteralString", shlex.split(remedy, comments=True)[-1])


def test_a_postgres_that_writes_nothing_is_one_that_is_ill(patient: Patient) -> None:
    url = patient.where.database_url
    with psycopg.connect(url, autocommit=True) as sql:
        sql.execute("alter system set default_transaction_read_only = on")
        sql.execute("select pg_reload_conf()")

    [ill] = servers.postgres(patient)

    assert (ill.level, ill.words.split(":")[0]) == ("fail", "default_transaction_read_only is on")
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as sql:
        sql.execute(statement(ill.remedy[-1]))
    patient.database.close()
    assert [it.level for it in servers.postgres(patient)] == ["ok"]


def test_a_standby_is_to_be_promoted_or_left_for_its_primary(patient: Patient, own_servers: Servers) -> None:
    server = own_servers.postgres
    server.stop()
    (server.kind.data / "standby.signal").touch()
    server.start()

    [ill] = servers.postgres(patient)

    assert (ill.level, ill.words.split(":")[0]) == ("fail", "it is a standby")
    patient.connection.execute(statement(ill.remedy[0]))
    assert [it.level for it in servers.postgres(patient)] == ["ok"]


def test_a_replica_is_to_be_promoted_or_left_for_its_primary(patient: Patient) -> None:
    with Redis.from_url(patient.where.redis_url) as client:
        client.replicaof("127.0.0.1", 1)
        [ill] = servers.redis(patient)
        _, _, _, *command = shlex.split(ill.remedy[0], comments=True)
        client.execute_command(*command)

    assert (ill.level, ill.words.split(":")[0]) == ("fail", "it is a replica")
    assert [it.level for it in servers.redis(patient)] == ["ok"]
