"""Attempts that need no sweep to be judged: of a worker's former self, and of a pool child that died."""

from dataclasses import replace

from psycopg.types.json import Jsonb

from shared.celery_app import REAP
from shared.store import attempts, cadence, processes
from tests.process.conftest import Fleet
from tests.process.test_reaper import SETTINGS, running, status
from workers import reaper
from workers.station import Station


def test_what_a_former_self_ran_is_ended_at_once_and_nothing_of_anybody_else(fleet: Fleet, station: Station) -> None:
    """A worker that comes back under its name on the same boot: its pid is somebody else's, or nobody's.

    In another container of this host a worker of the same name may live, and its pid says nothing here.
    """
    living = station.worker.facts()
    ours = {**living, "pid_start": 1}
    workers = {
        "ours": ours,
        "living": living,
        "neighbour": {**ours, "node": "n"},
        "boot": {**ours, "boot_id": "b"},
        "container": {**ours, "pid_namespace": "pid:[1]"},
        "nowhere": {name: told for name, told in ours.items() if name != "pid_namespace"},
    }
    for name, worker in workers.items():
        token = running(fleet, name)
        values = {"token": token, "worker": Jsonb({**worker, "id": name})}
        fleet.database.connection().execute("update attempts set worker = %(worker)s where token = %(token)s", values)
        signs = {"kind": "worker", "capacity": 1, "facts": {"pid_namespace": worker.get("pid_namespace")}}
        processes.sign(fleet.database.connection(), {**worker, "id": name, **signs})

    assert reaper.reap_former_self(station) == 1

    ended = fleet.rows("select title, failure_reason from firings where status <> 'running'")
    assert ended == [("ours", "worker_lost")]
    assert {it.id for it in processes.listing(fleet.database.connection())} == workers.keys() - {"ours"}
    assert reaper.reap_former_self(station) == 0


def test_what_is_ended_at_once_counts_as_reaped(fleet: Fleet, station: Station) -> None:
    """A host without memory kills a worker that its supervisor starts again, again and again: no sweep sees it."""
    reaper.sweep(station)
    cadence.add(fleet.database.connection(), REAP, {"worker_lost_total": 4})
    assert reaper.reap_orphan(station, running(fleet))

    [counted] = [it.counts for it in cadence.passes(fleet.database.connection()) if it.name == REAP]

    assert counted["worker_lost_total"] == 5


def test_an_orphan_is_ended_at_once_unless_the_reaper_is_switched_off(fleet: Fleet, station: Station) -> None:
    """REA-8."""
    token = running(fleet)
    station.settings = replace(SETTINGS, reaper_enabled=False)

    assert not reaper.reap_orphan(station, token)
    assert status(fleet, token) == ("running", None)

    station.settings = SETTINGS
    assert reaper.reap_orphan(station, token)
    assert status(fleet, token) == ("failed", "worker_lost")
    assert not reaper.reap_orphan(station, token)


def test_an_orphan_that_has_its_exit_is_settled_at_once_unless_it_is_to_be_checked(
    fleet: Fleet, station: Station
) -> None:
    """A check is a process, and none is begun beside a thread that may fork a pool child just then."""
    plain, checked = running(fleet, "plain"), running(fleet, "checked", success_check={"argv": ["true"]})
    for token in (plain, checked):
        attempts.record_exit(fleet.database.connection(), token, 0, None)

    assert [reaper.reap_orphan(station, token) for token in (plain, checked)] == [True, False]

    assert (status(fleet, plain), status(fleet, checked)) == (("completed", None), ("running", None))
