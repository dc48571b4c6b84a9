"""A workspace or a schedule goes while beats, people and workers go on with it (WSP-2)."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg.errors import LockNotAvailable

from beat.due import tick
from beat.outwaited import end_outwaited
from console.deeds import schedules
from console.deeds import workspaces as deeds
from shared.settings import Settings
from shared.store import activity, attempts
from tests.process.conftest import Fleet
from tests.store.rows import by_hand
from tests.waiting import until
from workers.outcome import Outcome
from workers.settle import settle

DUE_AGAIN = """
update schedules set next_run_at = now() - interval '1 ms', revision = revision + 1
 where id in (select id from schedules where status = 'active' for update skip locked)
"""


MOST_WAITING = 300
COMPLETED = "select count(*) from firings where status = 'completed'"


@dataclass
class Load:
    """Threads that do the same again and again, until they are stopped or one of them fails."""

    fleet: Fleet
    workspace: UUID
    stop: threading.Event = field(default_factory=threading.Event)
    broken: list[BaseException] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, *deeds: Callable[[], None]) -> None:
        for deed in deeds:
            thread = threading.Thread(target=self._repeat, args=(deed,), name=deed.__name__)
            thread.start()
            self.threads.append(thread)

    def _repeat(self, deed: Callable[[], None]) -> None:
        try:
            while not self.stop.is_set():
                deed()
        except BaseException as error:
            self.broken.append(error)
        finally:
            self.fleet.database.close()

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def tick(self) -> None:
        if self.fleet.rows("select count(*) from firings where status = 'queued'")[0][0] > MOST_WAITING:
            return
        self.fleet.database.connection().execute(DUE_AGAIN)
        tick(self.fleet.admission, Settings())

    def run_now(self) -> None:
        deed = activity.Deed("run", "test", {}, workspace=self.workspace)
        self.fleet.admission.run_now(by_hand(self.workspace), deed, queue=True)

    def work(self) -> None:
        admission = self.fleet.admission
        by = attempts.Claimer({"id": "w"}, None, admission.gate.epoch, timedelta(seconds=60))
        for (firing,) in self.fleet.rows("select id from firings where status = 'queued' order by random() limit 1"):
            with suppress(LockNotAvailable):  # who waits for too long asks again, as a worker does
                claimed = attempts.claim(self.fleet.database.connection(), firing, uuid4(), by)
                if isinstance(claimed, attempts.Attempt):
                    self.settle(claimed.token)

    def settle(self, token: int) -> None:
        while True:
            with suppress(LockNotAvailable):
                settle(self.fleet.database, token, Outcome(None), Settings())
                return


def test_a_workspace_is_removed_under_load_and_nothing_of_it_stays(fleet: Fleet) -> None:
    """Rows first, and nobody waits for anybody in a circle."""
    fleet.admission.set_cap("fleet", 8, "test")
    workspace = fleet.workspace("busy")
    for number in range(30):
        fleet.schedule(workspace, f"due {number}", ["true"], overlap="queue_all", cron="* * * * *")
    load = Load(fleet, workspace)
    load.begin(load.tick, load.tick, load.run_now, load.run_now, load.work, load.work, load.work)
    try:
        until(lambda: load.broken or fleet.rows(COMPLETED)[0][0] >= 5, 30)

        deeds.remove(fleet.admission, workspace, "test")
    finally:
        load.end()

    assert load.broken == []
    end_outwaited(fleet.admission)  # what was asked for by hand in that moment
    assert fleet.rows("select count(*) from firings where status in ('queued', 'running')") == [(0,)]
    assert fleet.rows("select distinct status from schedules") == [("archived",)]
    assert fleet.rows("select status from workspaces") == [("removed",)]


def test_what_runs_when_its_workspace_goes_is_asked_to_end_and_gives_its_slot_back(fleet: Fleet) -> None:
    workspace = fleet.workspace()
    attempt = fleet.claimed(workspace)

    deeds.remove(fleet.admission, workspace, "test")

    assert fleet.rows("select abort_reason from attempts") == [("cancelled",)]
    settle(fleet.database, attempt.token, Outcome("cancelled"), Settings())
    assert fleet.rows("select status, failure_reason from firings") == [("cancelled", "cancelled")]
    assert fleet.rows("select count(token) from slots") == [(0,)]


def test_what_runs_of_a_schedule_that_is_deleted_meanwhile_is_not_tried_again(fleet: Fleet) -> None:
    """It would spend once more what nobody wants any more; one that a deploy interrupts is still continued."""
    workspace = fleet.workspace()
    for reason, then in (("timeout", "failed"), ("interrupted", "queued")):
        schedule = fleet.schedule(workspace, reason, ["true"], due_in_s=9999)
        attempt = fleet.claimed(workspace, schedule_id=schedule, max_attempts=3)
        schedules.remove(fleet.admission, schedule, "test", None)

        told = settle(fleet.database, attempt.token, Outcome(reason, "x"), Settings())

        assert told.status == then
        assert fleet.rows("select status from schedules where id = %s", schedule) == [("archived",)]
