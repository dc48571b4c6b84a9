"""Redis against Postgres: one broker, one epoch, the same firings, caps and usage in both."""

from collections.abc import Iterator
from itertools import islice

from console.doctor.finding import Finding, fail, ok, warn
from console.doctor.patient import Patient
from shared.answers import Unreadable, Unseeded
from shared.keys import epoch_key
from shared.redis_servers import client
from shared.store import epoch as epoch_row
from shared.store import firings, limits, running

_BATCH = 1000
_SHOWN = 3
# Two systems that fill one gate do so in turns, each within some seconds.
_LATELY_S = 60.0
_MAINTENANCE = "slotbeat worker -Q maintenance  # whose reconciler heals it within seconds"
# The status of a firing that a gate may know, and of none.
_MAY_BE_KNOWN = ("queued", "running")

Difference = tuple[str, str]


def broker(patient: Patient) -> Iterator[Finding]:
    """Who sends messages and who takes them must mean the same server, and nobody else may."""
    if (_is_restless(patient) or patient.queues.keys() - {it.node for it in patient.processes}) and (
        strangers := patient.strangers()
    ):
        words = f"{_some(strangers)} answers here and is in no row: another system has the same Redis and namespace"
        yield fail("broker", words, "export SLOTBEAT_NAMESPACE=another  # there, for each of its parts")
    deaf = patient.deaf()
    gone, elsewhere = ({node for node, lives in deaf.items() if lives is it} for it in (False, True))
    if gone:
        words = f"{_some(gone)} does not answer and gives no sign: it ended a moment ago, or hangs"
        yield warn("broker", words, "slotbeat doctor  # again in a minute: by then it is counted as gone")
    if elsewhere:
        words = f"{_some(elsewhere)} does not answer at this broker: it listens at another one, or hangs"
        yield fail("broker", words, _of_the_broker(patient))
    if deaf:
        return
    if patient.where.broker_url == patient.where.redis_url:
        yield ok("broker", "the same server as the gate")
    else:
        yield ok("broker", _another(patient))


def _is_restless(patient: Patient) -> bool:
    """Whether the gate is not ours at this moment, or was not a moment ago: somebody else may be filling it."""
    known, there = epoch_row.current(patient.connection), patient.gate.current_epoch()
    return there is not None and (known.age_s < _LATELY_S or there != known.number)


def _of_the_broker(patient: Patient) -> str:
    if not patient.environ.get("REDIS_URL"):
        # Of the stack on this machine nobody named a broker, so no name of one can be wrong.
        return f"slotbeat down  # and up again; what its workers said is in {patient.log('worker*.log')}"
    unset = "unset CELERY_BROKER_URL" if patient.environ.get("CELERY_BROKER_URL") else "export CELERY_BROKER_URL="
    return f"{unset}  # as where that worker runs, and here"


def _another(patient: Patient) -> str:
    if not patient.where.broker_url.startswith(("redis:", "rediss:", "sentinel:")):
        return "a server of its own"
    theirs = client(patient.where.broker_url, socket_timeout=3, socket_connect_timeout=2)
    try:
        same = theirs.info("server")["run_id"] == patient.gate.run_id()  # pyright: ignore[reportIndexIssue]
    finally:
        theirs.close()
    return "the same server as the gate, by another address" if same else "a server of its own"


def epoch(patient: Patient) -> Iterator[Finding]:
    """Both stores are of one epoch, and the gate is in the Redis that everybody means."""
    known = epoch_row.current(patient.connection)
    there = patient.gate.current_epoch()
    if not known.number and there is None:
        yield warn("epoch", "the gate was never filled", "slotbeat beat", "slotbeat worker")
    elif there != known.number:
        words = f"Postgres is at epoch {known.number}, the gate at {'none' if there is None else there}"
        if there is not None and there > known.number:
            words += ": another system fills it, or the rows are of a backup"
        yield fail("epoch", words, *_same_redis(patient, known.redis_run_id), _MAINTENANCE)
    elif known.redis_run_id != patient.gate.run_id():
        words = "the gate was filled in another Redis than REDIS_URL names (or this one was restarted)"
        yield fail("epoch", words, *_same_redis(patient, known.redis_run_id), _MAINTENANCE)
    else:
        yield ok("epoch", f"{known.number} in both")


def _same_redis(patient: Patient, filled: str | None) -> tuple[str, ...]:
    """Named first: a worker that is started with the wrong address fills the wrong Redis. Our own has no name."""
    if filled in (None, patient.gate.run_id()) or not patient.environ.get("REDIS_URL"):
        return ()
    return ("export REDIS_URL=  # as where beat and workers run, if they run",)


def gate(patient: Patient) -> Iterator[Finding]:
    """The gate knows what runs and what could start, nothing else, and counts as the rows do."""
    try:
        found = sorted(patient.lasting(lambda: _differences(patient)))
    except Unreadable:
        words = "holds what this version cannot read: another version fills it, or somebody else writes there"
        yield fail("gate", words, _MAINTENANCE, _rebuild(patient))
        return
    except Unseeded:
        return  # which is what `epoch` says
    kinds = sorted({kind for kind, _ in found})
    for kind in kinds:
        which = {name for it, name in found if it == kind}
        yield fail("gate", f"{len(which)} {kind}: {_some(which)}", _MAINTENANCE, _rebuild(patient))
    if not kinds:
        yield ok("gate", "agrees with the rows")


def _rebuild(patient: Patient) -> str:
    """For what no reconciler heals; nothing is lost by it but the seconds that it takes."""
    stays = "# if it is still so in a minute:"
    if not patient.environ.get("REDIS_URL"):
        return f"slotbeat down  {stays} and up again, which rebuilds the gate from the rows"
    key = epoch_key(patient.where.namespace)
    deletes = patient.redis_cli(f"del '{key}'")
    return f"{deletes}  {stays} the gate is rebuilt from the rows"


def _differences(patient: Patient) -> set[Difference]:
    return {*_running(patient), *_waiting(patient), *_members(patient), *_limits(patient)}


def _running(patient: Patient) -> Iterator[Difference]:
    live = running.running(patient.connection)
    states = patient.gate.states([it.line.id for it in live]) if live else []
    for it, held in zip(live, states, strict=True):
        if held.state != "leased" or held.request != str(it.request_id):
            yield "run without a lease in the gate", str(it.line.id)


def _waiting(patient: Patient) -> Iterator[Difference]:
    after = -1
    while waiting := firings.startable(patient.connection, after, _BATCH):
        after = waiting[-1].line_no
        for it in patient.gate.states([it.id for it in waiting]):
            if not it.state:
                yield "could start and are unknown to the gate", str(it.firing)
            elif it.state == "astray":
                yield "could start and stand in no line of the gate", str(it.firing)


def _members(patient: Patient) -> Iterator[Difference]:
    members = iter(patient.gate.members())
    while batch := list(islice(members, _BATCH)):
        states = patient.gate.states(batch)
        statuses = running.statuses(patient.connection, batch)
        for it in states:
            status = statuses.get(it.firing, ("", None))[0]
            if it.state and status not in _MAY_BE_KNOWN:
                yield "in the gate neither wait nor run", str(it.firing)
            elif it.state == "leased" and status != "running":
                yield "are leased in the gate and do not run", str(it.firing)


def _limits(patient: Patient) -> Iterator[Difference]:
    rows = {it.key: it for it in limits.listing(patient.connection)}
    usage = patient.gate.usage()
    told = {it.limit: it for it in usage.limits}
    for key in rows.keys() ^ told.keys():
        yield "limits are in one store only", key
    for key in rows.keys() & told.keys():
        if rows[key].cap != told[key].cap:
            yield "limits have another cap in the gate", key
        if not rows[key].held <= told[key].used <= rows[key].held + usage.reserved:
            yield "limits have another usage in the gate", key


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
