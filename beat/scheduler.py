"""The scheduler class that Celery beat runs: tick, contain what goes wrong, sleep until the next due moment."""

import logging
import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from celery.beat import Scheduler as CeleryScheduler

from beat.due import Ticked
from beat.many import tick_many
from beat.outwaited import end_outwaited
from beat.pauses import end_pauses
from shared import celery_app, clock, pulse, settings
from shared.admission import Admission
from shared.clock import monotonic
from shared.events import event, trouble
from shared.pressure import Pressure
from shared.redis_modes import cluster_refused
from shared.store import cadence, due, edits, processes
from shared.store import settings as settings_table
from shared.store.connection import Database, Postgres, connect
from shared.timetable import timetable

# Nothing wakes beat when a clock reaches a moment that was edited while LISTEN was down; this does.
LONGEST_SLEEP_S = 1.0
AFTER_TROUBLE_S = 1.0
SETTINGS_GOOD_FOR_S = 3.0
SIGN_EVERY_S = 5.0
# Messages that nobody has fetched, of which most are refused by their cadence row: a second's work.
MOST_WAITING = 50
OUTWAITED_EVERY_S = 2.0
UNSERVED_SAID_EVERY_S = 60.0


class Scheduler(CeleryScheduler):
    """Beat with its schedules in Postgres. Any number may run: rows, not leaders, divide the work."""

    def setup_schedule(self) -> None:
        """Celery's hook before the first tick. Connections are made there, so that beat starts without them."""
        self.where = settings.addresses()
        if (why := cluster_refused(self.where)) is not None:
            raise SystemExit(why)
        self.database = Database(self.where.database_url, application="slotbeat beat", by_index=True)
        self.settings = settings.read(told=False)  # with the table, in the first tick
        self.admission = Admission(self.database, self.where, self.settings, self.app)
        self.pressure = Pressure(self.where.redis_url, self.where.namespace)
        self.listener: Postgres | None = None
        self.last: dict[str, float] = {}
        self.left = False
        self.node = f"beat@{socket.gethostname()}"
        self.me = f"{self.node}:{os.getpid()}"

    def tick(self, *_: Any, **__: Any) -> float:
        """One pass; it has slept already when it returns, so that a notification can wake it."""
        pulse.touch()
        try:
            self._read_settings()
            end_pauses(self.admission)
            ticked = tick_many(self.admission, self.settings, self.pressure)
            self._send_maintenance()
            if self._is_time("outwaited", OUTWAITED_EVERY_S):
                end_outwaited(self.admission)
            self._sign()
            if not ticked.more:
                self._sleep(ticked)
        except Exception as error:  # noqa: BLE001 libraries raise more than they say, and a beat that ended ticks no more
            trouble("beat.trouble", error)
            self._forget_listener()
            return AFTER_TROUBLE_S
        return 0.0

    def _is_time(self, what: str, every_s: float) -> bool:
        now = monotonic()
        if now - self.last.get(what, float("-inf")) < every_s:
            return False
        self.last[what] = now
        return True

    def _read_settings(self) -> None:
        if self._is_time("settings", SETTINGS_GOOD_FOR_S):
            self.settings = settings.read(table=settings_table.load(self.database.connection()))
            self.admission.use(self.settings)
        if "own cap" not in self.last:
            self.admission.write_own_cap(self.settings, self.node)
            self.last["own cap"] = monotonic()

    def _send_maintenance(self) -> None:
        """What has not run for its interval. Any beat may send it; the tasks take turns by a row.

        Looked at twice an interval: a beat that sent by its own clock alone would be refused again and again
        by the row of a task that another beat, or its own last message, was late with. Nothing more is sent to
        a queue that nobody serves: after an hour's outage its worker would go through an hour of messages.
        """
        times = timetable(self.settings)
        looked = [task for task, every_s in times.items() if self._is_time(task, every_s / 2)]
        if not looked:
            return
        ages_s = cadence.ages_s(self.database.connection())
        overdue = [task for task in looked if ages_s.get(task, float("inf")) >= times[task] * 0.9]
        if overdue and celery_app.waiting_in(self.app, celery_app.MAINTENANCE) >= MOST_WAITING:
            if self._is_time("unserved", UNSERVED_SAID_EVERY_S):
                event("beat.maintenance_unserved", level=logging.WARNING, overdue=overdue)
            return
        for task in overdue:
            celery_app.publish_maintenance(self.app, task)

    def _sign(self) -> None:
        if self._is_time("sign", SIGN_EVERY_S):
            facts = {
                "id": self.me,
                "kind": "beat",
                "node": self.node,
                "boot_id": "",
                "pid": os.getpid(),
                "facts": {"cap_asked_for": settings.cap_asked_for(), "wall_clock": clock.now().timestamp()},
            }
            processes.sign(self.database.connection(), {**facts, "pid_start": 0, "capacity": 0})

    def _sleep(self, ticked: Ticked) -> None:
        """Until the next due moment, at most a second, or until a schedule is added or edited."""
        listener = self._listen()
        left = due.seconds_to_next(self.database.connection())
        # A schedule that is due but locked by another beat's tick is no reason for a hot loop.
        shortest = 0.0 if ticked.schedules else 0.02
        pause = LONGEST_SLEEP_S if left is None else min(LONGEST_SLEEP_S, max(shortest, left))
        for task, every_s in timetable(self.settings).items():
            pause = min(pause, max(0.0, self.last.get(task, 0.0) + every_s / 2 - monotonic()))
        if pause > 0:
            edits.wait_for_edit(listener, pause)

    def _listen(self) -> Postgres:
        if self.listener is None or self.listener.closed:
            self.listener = edits.listen(self.where.database_url)
        return self.listener

    def _forget_listener(self) -> None:
        if self.listener is not None:
            with suppress(psycopg.Error):
                self.listener.close()
            self.listener = None

    def sync(self) -> None:
        """Celery's hook at the end: nothing is kept in this process that could be lost."""

    def close(self) -> None:
        """Celery's hook when beat stops: once in its signal handler, then again at the end.

        The handler may have interrupted a query of this very thread, which holds its connection's lock: whoever
        asked anything on that connection would wait for ever. So the row goes by a connection of its own.
        """
        if not self.left:
            self.left = True
            with suppress(psycopg.Error), connect(self.where.database_url, application="slotbeat beat leaves") as own:
                processes.leave(own, self.me)
        self._forget_listener()
        self.pressure.close()
        self.database.close()

    @property
    def info(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] Celery's is typed as ""
        """What beat's banner says."""
        return "    . schedules -> Postgres"
