"""What the members say in their logs that no fault explains: no invariant need show that the code is wrong there."""

import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import kombu.exceptions
import psycopg.errors
import redis.exceptions

# A worker ends by itself whose children are killed as it starts.
_SAID = re.compile(r"(?P<end>Unrecoverable error)(?!: WorkerLostError)|(?:error=\"|raised unexpected: )(?P<kind>\w+)")
_KNOWN = (psycopg.errors, psycopg, redis.exceptions, kombu.exceptions, builtins)
# A server that is away, is ending, cannot write or is overloaded, and a connection to it that breaks.
_OUTAGE = (
    *(psycopg.OperationalError, psycopg.InternalError, kombu.exceptions.OperationalError, OSError),
    *(redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.OutOfMemoryError),
    *(redis.exceptions.ReadOnlyError, redis.exceptions.BusyLoadingError),
)
_REFUSALS = ("MISCONF", "READONLY", "NOREPLICAS", "LOADING", "WRONGTYPE")
# What the faults put there themselves: a gate that was emptied, a broken schedule, and hostile messages.
_PUT_THERE = ("Unseeded", "BadCron")
_HOSTILE = re.compile(r"message\.refused|raised unexpected: (TypeError\(.*argument|ValueError\('badly formed)")
# Of its traceback, as logging writes one below the line: where it was.
_PLACE = re.compile(r'\s+File ".*?([\w-]+/[\w-]+\.py)", line (\d+), in (\S+)')


def unexplained(logs: Iterable[Path]) -> Iterator[str]:
    """Each kind once for each log, with the line that says it, and the innermost places of its traceback."""
    for log in logs:
        seen, lines = set[str](), log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            said = _SAID.search(line)
            if said is None or _HOSTILE.search(line) or _is_weather(said):
                continue
            what = said["end"] or said["kind"]
            if what not in seen:
                seen.add(what)
                yield " < ".join([f"{log.name}: {line[:300]}", *_places(lines[number + 1 :])])


def _places(below: Sequence[str]) -> list[str]:
    if below[:1] != ["Traceback (most recent call last):"]:
        return []
    told = takewhile(lambda it: it.startswith(" "), below[1:])
    return [f"{it[1]}:{it[2]} {it[3]}" for it in map(_PLACE.match, told) if it][:-9:-1]


def _is_weather(said: re.Match[str]) -> bool:
    kind = said["kind"]
    if kind is None:
        return False
    if kind == "ResponseError":
        return any(it in said.string for it in _REFUSALS)
    found = next((getattr(it, kind) for it in _KNOWN if hasattr(it, kind)), None)
    return kind in _PUT_THERE or (isinstance(found, type) and issubclass(found, _OUTAGE))
