"""What the doctor says of Postgres and Redis."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from console.doctor import servers
from console.doctor.examine import examine
from console.doctor.finding import Finding
from console.doctor.patient import Patient
from shared import clock
from shared.settings import addresses
from shared.store.processes import Process
from tests.databases import with_database
from tests.doctor.conftest import Ward


@pytest.fixture
def configured(redis_url: str) -> Iterator[Any]:
    """Sets what the shared server goes by, until the test ends."""
    with Redis.from_url(redis_url) as client:
        before: Any = client.config_get("maxmemory*")
        yield client.config_set
        for name in ("maxmemory", "maxmemory-policy"):
            client.config_set(name, before[name])


def first_failures(**urls: str) -> list[Finding]:
    named = {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "REDIS_URL": "redis://", **urls}
    patient = Patient(addresses(named), named)
    found = list(examine(patient))
    patient.close()
    return [it for it in found if it.level == "fail"]


def test_healthy_servers(ward: Ward) -> None:
    for check in (servers.postgres, servers.schema, servers.clocks, servers.redis, servers.redis_memory):
        level, words, remedy = ward.one(check)
        assert (level, remedy) == ("ok", ()), words


def test_a_postgres_that_is_away_is_one_finding_and_redis_is_still_looked_at(redis_url: str) -> None:
    [away] = first_failures(REDIS_URL=redis_url)

    assert away.check == "postgres"
    assert "does not answer" in away.words
    assert away.remedy[0] == 'pg_isready -d "$DATABASE_URL"'
    # While an address is named, no `slotbeat up` brings a server of its own.
    assert away.remedy[1].startswith("export DATABASE_URL=  # ")


def test_a_redis_that_is_away_is_one_finding_and_names_no_password(database_url: str) -> None:
    found = first_failures(DATABASE_URL=database_url, REDIS_URL="redis://:secret@127.0.0.1:1/0")

    away = next(it for it in found if it.check == "redis")
    assert "does not answer" in away.words
    assert away.remedy[0] == 'redis-cli -u "$REDIS_URL" ping'
    assert away.remedy[1].startswith("export REDIS_URL=  # ")
    assert "secret" not in str(found)


@pytest.mark.parametrize(("number", "level"), [(139_999, "fail"), (140_000, "ok"), (180_004, "ok")])
def test_the_oldest_postgres(number: int, level: str) -> None:
    found = servers.judge_postgres("?", number, "x as y")

    assert found.level == level
    assert (level == "ok") == (not found.remedy)


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("Redis", "6.0.16", "fail"),
        ("Redis", "6.2.14", "warn"),
        ("Redis", "6.2.20", "ok"),
        ("Redis", "7.0.15", "warn"),
        ("Redis", "7.4.6", "ok"),
        ("Redis", "8.2.1", "warn"),
        ("Redis", "8.2.2", "ok"),
        ("Redis", "8.4", "ok"),
        ("Valkey", "9.1.2", "ok"),
        ("Valkey", "8.1.4-rc1", "ok"),
    ],
)
def test_old_and_open_redis(name: str, version: str, level: str) -> None:
    found = servers.judge_redis(name, version)

    assert found.level == level
    assert (level == "ok") == (not found.remedy)


def test_an_empty_database_is_to_be_migrated(ward: Ward, empty_database_url: str) -> None:
    ward.patient.where = replace(ward.patient.where, database_url=empty_database_url)

    level, words, remedy = ward.one(servers.schema)

    assert (level, remedy) == ("fail", ("slotbeat migrate",))
    assert words.endswith("are missing, from 0001_initial.sql")


def test_a_database_that_lacks_one_migration_is_to_be_migrated(ward: Ward) -> None:
    ward.rows.all("delete from schema_migrations where name like '0004%%' returning name")

    level, words, remedy = ward.one(servers.schema)

    assert (level, remedy) == ("fail", ("slotbeat migrate",))
    assert "0004_names.sql" in words


def test_a_newer_database_wants_a_newer_slotbeat(ward: Ward) -> None:
    ward.rows.all("insert into schema_migrations (name, checksum) values ('9999_later.sql', 'x') returning name")

    level, words, remedy = ward.one(servers.schema)

    assert (level, remedy) == ("fail", ("pip install --upgrade slotbeat  # of a checkout: git pull",))
    assert "9999_later.sql" in words


def test_an_edited_migration_is_seen(ward: Ward) -> None:
    ward.rows.all("update schema_migrations set checksum = 'x' where name like '0003%%' returning name")

    level, words, remedy = ward.one(servers.schema)

    assert level == "fail"
    assert "0003_claim.sql was edited" in words
    assert remedy[0].startswith("pip install --force-reinstall slotbeat")


def test_a_host_whose_clock_is_wrong_is_told_so_and_not_its_servers(ward: Ward) -> None:
    ward.patient.now = lambda: clock.now() + timedelta(seconds=60)

    level, words, remedy = ward.one(servers.clocks)

    assert (level, remedy) == ("warn", ("timedatectl set-ntp true  # here",))
    assert words.startswith(("this host is +60.", "this host is +59."))
    assert words.endswith("from Postgres and Redis, which agree")


def test_the_host_of_a_worker_whose_clock_is_wrong_is_named_by_its_last_sign(ward: Ward) -> None:
    """Its deadlines are counted by another clock; it is its log lines that are of another time."""
    [(now,)] = ward.rows.all("select extract(epoch from now())::float8")
    ward.process(node="slow@here", facts={"wall_clock": now - 90})
    ward.process(node="old@here", facts={})
    ward.process(node="right@there", facts={"wall_clock": now})
    ward.process("beat", "beat@before", age_s=100, facts={"wall_clock": now - 100})

    level, words, remedy = ward.one(servers.clocks)

    assert (level, remedy) == ("warn", ("timedatectl set-ntp true  # on here",))
    assert words.startswith("here is -90.0 s from Postgres: ")


def test_of_two_clocks_that_differ_the_one_that_others_agree_with_is_right() -> None:
    """A host that agrees with this one, or with Postgres, is not the wrong one."""

    def at(ahead_s: float) -> Process:
        seen_at = clock.now()
        facts = {"wall_clock": seen_at.timestamp() + ahead_s}
        return Process("id", "worker", "w@far", "", 1, 1, 1, facts, seen_at, seen_at, 0.0)

    found = {it: [told.words[:22] for told in servers.judge_hosts([at(it)], 30.0)] for it in (0.0, -30.0, 60.0)}

    assert found == {0.0: [], -30.0: [], 60.0: ["far is +60.0 s from Po"]}


def test_a_server_whose_clock_is_wrong_is_named_with_the_difference() -> None:
    one = list(servers.judge_clocks({"Postgres": 0.1, "Redis": -30.0}))
    both = list(servers.judge_clocks({"Postgres": 45.0, "Redis": -30.0}))

    there = ("timedatectl set-ntp true  # on the host of Redis",)
    assert [(it.level, it.words, it.remedy) for it in one] == [("warn", "Redis is -30.0 s from this host", there)]
    assert [it.words for it in both] == ["Postgres is +45.0 s from this host", "Redis is -30.0 s from this host"]


def test_a_redis_that_evicts_is_to_be_told_not_to(ward: Ward, configured: Any) -> None:
    configured("maxmemory-policy", "allkeys-lru")

    level, words, remedy = ward.one(servers.redis_memory)

    assert level == "fail"
    assert "allkeys-lru" in words
    assert remedy == ('redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction',)


def test_a_redis_that_is_nearly_full_is_to_be_given_more(ward: Ward, configured: Any) -> None:
    used: Any = ward.admission.gate.redis.info("memory")
    most = int(used["used_memory"] * 1.1)
    configured("maxmemory", str(most))

    level, words, remedy = ward.one(servers.redis_memory)

    assert level == "warn"
    assert "of its maxmemory are used" in words
    assert remedy == (f'redis-cli -u "$REDIS_URL" config set maxmemory {2 * most}',)


def test_a_redis_that_is_full_refuses_and_is_not_called_away(ward: Ward, configured: Any) -> None:
    ward.process()
    configured("maxmemory", "1mb")

    level, words, remedy = ward.one(servers.redis_memory)
    asked = [it for it in examine(ward.patient) if it.words.startswith("Redis ")]

    assert (level, words[:22]) == ("fail", "its maxmemory is full:")
    assert remedy == ('redis-cli -u "$REDIS_URL" config set maxmemory 2097152',)
    assert {it.words.split(":")[0] for it in asked} == {"Redis refuses"}


def test_a_redis_that_keeps_nothing_is_to_append(ward: Ward) -> None:
    """The servers of the tests keep nothing."""
    level, words, remedy = ward.one(servers.redis_disk)

    assert level == "warn"
    assert words.startswith("nothing is kept")
    assert remedy == ('redis-cli -u "$REDIS_URL" config set appendonly yes',)


def test_the_same_server_in_another_database_is_as_well(ward: Ward, redis_url: str) -> None:
    ward.patient.where = replace(ward.patient.where, redis_url=with_database(redis_url, 63))

    assert ward.one(servers.redis)[0] == "ok"
