"""Postgres and Redis: reachable, of a version and set up as the promises need."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg.errors import UndefinedTable
from redis.exceptions import ResponseError

from console.doctor.finding import Finding, fail, ok, warn
from console.doctor.patient import Patient
from shared.store import migrate, server
from shared.store.processes import Process

OLDEST_POSTGRES = 140_000
OLDEST_REDIS = (6, 2)
# Who may run Lua may run anything in older ones (CVE-2025-49844).
_PATCHED = {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2}
SKEW_S = 2.0
_NEARLY_FULL = 0.8
_NOTHING_WRITTEN = "it writes nothing, so nothing starts, and no end is recorded"


def postgres(patient: Patient) -> Iterator[Finding]:
    """Reachable, new enough, and one that writes."""
    seen = server.look(patient.connection)
    if seen.is_standby:
        promoted = 'psql "$DATABASE_URL" -c "select pg_promote()"  # if its primary is gone for good'
        yield fail(
            "postgres", f"it is a standby: {_NOTHING_WRITTEN}", promoted, "export DATABASE_URL=  # of the primary"
        )
    elif seen.is_read_only:
        off = f'alter database "{seen.database}" set default_transaction_read_only = off'
        yield fail(
            "postgres",
            f"default_transaction_read_only is on: {_NOTHING_WRITTEN}",
            "df -h  # on its host: some turn it on where the disk is full",
            f"PGOPTIONS='-c default_transaction_read_only=off' psql \"$DATABASE_URL\" -c '{off}'",
        )
    else:
        yield judge_postgres(seen.version, seen.version_number, f"{seen.database} as {seen.user}")


def judge_postgres(version: str, number: int, who: str) -> Finding:
    """The finding for a version."""
    if number < OLDEST_POSTGRES:
        remedy = "export DATABASE_URL=postgresql://user:password@host:5432/database  # of a Postgres 14 or newer"
        return fail("postgres", f"version {version} is too old", remedy)
    return ok("postgres", f"{version}, database {who}")


def schema(patient: Patient) -> Iterator[Finding]:
    """Exactly the migrations of this code."""
    try:
        known = migrate.applied(patient.connection)
    except UndefinedTable:
        known = {}
    own = {name: hashlib.sha256(content).hexdigest() for name, content in migrate.migrations()}
    edited = [name for name in own if known.get(name, own[name]) != own[name]]
    if strangers := sorted(known.keys() - own.keys()):
        yield fail(
            "schema",
            f"newer than this code: it has {strangers[-1]}",
            "pip install --upgrade slotbeat  # of a checkout: git pull",
        )
    elif missing := sorted(own.keys() - known.keys()):
        yield fail(
            "schema",
            f"{len(missing)} {'migration is' if len(missing) == 1 else 'migrations are'} missing, from {missing[0]}",
            "slotbeat migrate",
        )
    elif edited:
        remedy = "pip install --force-reinstall slotbeat  # the version that migrated it; of a checkout: git checkout"
        yield fail("schema", f"{edited[0]} was edited after it was applied", remedy)
    else:
        yield ok("schema", f"current, {max(own)}")


def clocks(patient: Patient) -> Iterator[Finding]:
    """No clock decides alone, but people compare logs."""
    theirs = {"Postgres": server.look(patient.connection).now, "Redis": _redis_now(patient)}
    ours = patient.now()
    skews = {name: (then - ours).total_seconds() for name, then in theirs.items()}
    wrong = list(judge_hosts(patient.processes, skews["Postgres"]))
    yield from (it for it in judge_clocks(skews) if it.level != "ok" or not wrong)
    yield from wrong


def judge_hosts(seen: Sequence[Process], postgres_skew: float) -> Iterator[Finding]:
    """Hosts of workers and beats whose clock is neither Postgres's nor this host's."""
    signs = sorted(seen, key=lambda it: it.seen_at)
    ahead = {it.host: it.clock_ahead_s for it in signs if it.clock_ahead_s is not None}
    for host, ahead_s in sorted(ahead.items()):
        if min(abs(ahead_s), abs(ahead_s + postgres_skew)) > SKEW_S:
            words = f"{host} is {ahead_s:+.1f} s from Postgres: its log lines have other times than what they tell of"
            yield warn("clocks", words, f"timedatectl set-ntp true  # on {host}")


def judge_clocks(skews: dict[str, float]) -> Iterator[Finding]:
    """The findings for how many seconds each server is ahead of this host."""
    wrong = {name: skew for name, skew in skews.items() if abs(skew) > SKEW_S}
    if len(wrong) > 1 and max(wrong.values()) - min(wrong.values()) <= SKEW_S:
        words = f"this host is {-min(wrong.values()):+.1f} s from {' and '.join(wrong)}, which agree"
        yield warn("clocks", words, "timedatectl set-ntp true  # here")
        return
    for name, skew in wrong.items():
        there = f"timedatectl set-ntp true  # on the host of {name}"
        yield warn("clocks", f"{name} is {skew:+.1f} s from this host", there)
    if not wrong:
        yield ok("clocks", ", ".join(f"{name} {skew:+.2f} s" for name, skew in skews.items()))


def _redis_now(patient: Patient) -> datetime:
    told: Any = patient.redis.time()
    return datetime.fromtimestamp(told[0] + told[1] / 1e6, UTC)


def redis(patient: Patient) -> Iterator[Finding]:
    """Reachable, new enough, and one that takes writes."""
    told: Any = patient.redis.info("server")
    known: Any = patient.redis.info("replication")
    if "cluster" in (told.get("server_mode"), told.get("redis_mode")):
        remedy = "export REDIS_URL=redis://:password@host:6379/0  # of a server without cluster mode"
        yield fail("redis", "it is a node of a Cluster, for which Celery has no transport", remedy)
        return
    if known["role"] != "master":
        remedy = patient.redis_cli("replicaof no one  # if its primary is gone for good")
        yield fail(
            "redis",
            "it is a replica: it takes no write, so nothing starts",
            remedy,
            "export REDIS_URL=  # of the primary",
        )
        return
    name = "Valkey" if "valkey_version" in told else "Redis"
    yield judge_redis(name, str(told.get("valkey_version") or told["redis_version"]))


def judge_redis(name: str, version: str) -> Finding:
    """The finding for a version."""
    major, minor, patch = (int(it) for it in [*re.findall(r"\d+", version), "0", "0"][:3])
    remedy = "export REDIS_URL=redis://:password@host:6379/0  # of Valkey 8.1.4, Redis 8.2.2, or newer"
    if (major, minor) < OLDEST_REDIS:
        return fail("redis", f"{name} {version} is too old", remedy)
    if name == "Redis" and patch < _PATCHED.get((major, minor), 0 if (major, minor) > max(_PATCHED) else 1000):
        return warn("redis", f"{name} {version} lets whoever may run Lua run anything (CVE-2025-49844)", remedy)
    return ok("redis", f"{name} {version}")


def redis_memory(patient: Patient) -> Iterator[Finding]:
    """It refuses to write rather than drop what was written."""
    told: Any = patient.redis.info("memory")
    policy, used, most = told["maxmemory_policy"], told["used_memory"], told["maxmemory"]
    if policy != "noeviction":
        yield fail(
            "redis memory",
            f"with maxmemory-policy {policy} it drops messages and slots",
            patient.redis_cli("config set maxmemory-policy noeviction"),
        )
    elif most and used >= most:
        yield fail("redis memory", f"its maxmemory is full: nothing starts ({used / most:.0%})", _more(patient, most))
    elif most and used > most * _NEARLY_FULL:
        yield warn("redis memory", f"{used / most:.0%} of its maxmemory are used", _more(patient, most))
    else:
        yield ok("redis memory", policy)


def redis_disk(patient: Patient) -> Iterator[Finding]:
    """It need not forget the messages with each restart."""
    told: Any = patient.redis.info("persistence")
    try:
        saves: Any = patient.redis.config_get("save")
    except ResponseError:  # whoever runs it for others lets nobody ask
        saves = {"save": "as its owner wants"}
    if told["aof_enabled"] or saves.get("save"):
        yield ok("redis disk", "appends to a file" if told["aof_enabled"] else f"saves {saves['save']}")
    else:
        yield warn(
            "redis disk",
            "nothing is kept: each restart costs all messages that wait there",
            patient.redis_cli("config set appendonly yes"),
        )


def _more(patient: Patient, most: int) -> str:
    return patient.redis_cli(f"config set maxmemory {2 * most}")
