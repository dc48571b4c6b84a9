"""All checks in their order; one that cannot be made is a finding too, and stops no other."""

from collections.abc import Callable, Generator, Iterator

import psycopg
from kombu.exceptions import OperationalError
from psycopg.errors import InsufficientPrivilege
from redis.exceptions import RedisError, ResponseError

from console.doctor import gate, knobs, outages, payloads, processes, rows, servers
from console.doctor.finding import Finding, fail, warn
from console.doctor.patient import Patient
from shared.rules.text import one_line

Check = Callable[[Patient], Iterator[Finding]]

_REPORT = "slotbeat doctor --json > findings.json  # and report it: this is a bug"

# First what everything else needs: where one of these fails, those that need it are left out.
_POSTGRES: tuple[Check, ...] = (servers.postgres, servers.schema)
_REDIS: tuple[Check, ...] = (servers.redis,)
_OF_REDIS: tuple[Check, ...] = (servers.redis_memory, servers.redis_disk)
_OF_POSTGRES: tuple[Check, ...] = (
    rows.promises,
    rows.group_roles,
    rows.users,
    rows.size,
    knobs.settings,
    knobs.cap,
    knobs.room,
    processes.workers,
    processes.beat,
    processes.reaper,
    processes.reconciler,
    processes.upkeep,
    processes.line,
    outages.failures,
    processes.guards,
    processes.allowed,
    payloads.payloads,
)
_OF_BOTH: tuple[Check, ...] = (servers.clocks, gate.epoch, gate.gate, gate.broker, processes.queues)


def examine(patient: Patient) -> Iterator[Finding]:
    """The findings, as they are made."""
    rows_there = yield from _need(patient, _POSTGRES)
    gate_there = yield from _need(patient, _REDIS)
    checks = [*(_OF_REDIS if gate_there else ()), *(_OF_POSTGRES if rows_there else ())]
    for check in [*checks, *(_OF_BOTH if rows_there and gate_there else ())]:
        yield from _made(check, patient)


def _need(patient: Patient, checks: tuple[Check, ...]) -> Generator[Finding, None, bool]:
    for check in checks:
        found = list(_made(check, patient))
        yield from found
        if any(it.level == "fail" for it in found):
            return False
    return True


def _made(check: Check, patient: Patient) -> Iterator[Finding]:
    name = check.__name__.replace("_", " ")
    try:
        yield from check(patient)
    except InsufficientPrivilege as error:
        yield warn(
            name, f"this user may not look: {_line(error)}", "export DATABASE_URL=  # of a member of slotbeat_api"
        )
    except psycopg.OperationalError as error:
        asked = 'pg_isready -d "$DATABASE_URL"'
        yield fail(
            name, f"Postgres does not answer: {_line(error)}", asked, _start(patient, "DATABASE_URL", "postgres")
        )
    except ResponseError as error:
        yield fail(name, f"Redis refuses: {_line(error)}", patient.redis_cli("info  # memory, role, rights"))
    except (RedisError, OperationalError, OSError) as error:
        asked, started = patient.redis_cli("ping"), _start(patient, "REDIS_URL", "valkey")
        yield fail(name, f"Redis does not answer: {_line(error)}", asked, started)
    except Exception as error:  # noqa: BLE001 a check that fails is a finding, the others are still wanted
        yield fail(name, f"it could not be checked: {type(error).__name__}: {_line(error)}", _REPORT)


def _start(patient: Patient, variable: str, server: str) -> str:
    """Who named the server starts it, or names it rightly: no `slotbeat up` brings one of its own while it is named.

    That of the stack on this machine is started again by the stack itself.
    """
    if patient.environ.get(variable):
        return f"export {variable}=  # with its right address and password; or start it there"
    return f"slotbeat down  # and up again; what it said is in {patient.log(f'{server}.log')}"


def _line(error: BaseException) -> str:
    return one_line(next(iter(str(error).splitlines()), ""))
