"""The forecast held against a real run: beat's ticks, the gate, slot rows and settles, with payloads that only sleep.

Seconds stand for minutes: schedules that run once, within some seconds, in three workspaces and a lane.
"""

import queue
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from statistics import fmean
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from beat.due import tick
from bench.figures import Figure, figure
from bench.stage import Stage, stage
from shared.admission import Admission
from shared.answers import Reservation
from shared.rules.forecast.replay import MS, Replay, replay
from shared.settings import Settings
from shared.store import attempts
from shared.store.overview import one_moment
from shared.store.world import world
from workers.outcome import Outcome
from workers.settle import settle

SCHEDULES = 30
SPAN_S = 12.0
CAP = 3
PROCESSES = 8
ROUNDS = 2


class Told(Admission):
    """Reservations go to threads here; the broker is no part of what is forecast."""

    reserved: "queue.SimpleQueue[Reservation | None]"
    settings: Settings

    def hand_over(self, reservations: Sequence[Reservation]) -> None:
        for it in reservations:
            self.reserved.put(it)


def run() -> list[Figure]:
    """How far starts are from where they were forecast, beside how long firings wait."""
    errors: list[float] = []
    waits: list[float] = []
    for number in range(ROUNDS):
        with stage() as here:
            error, wait = _round(here, Random(number))
            errors.append(error)
            waits.append(wait)
    return [
        figure(
            "forecast: mean error of a start, of the mean wait", "ms", errors, limit=waits, bar=("ratio", "lower", 0.25)
        )
    ]


def _round(here: Stage, random: Random) -> tuple[float, float]:
    admission = Told(here.database, here.where, here.settings, here.app)
    admission.reserved, admission.settings = queue.SimpleQueue(), here.settings
    admission.make_whole()
    here.cap("fleet", CAP)
    here.cap("lane:model", 2)
    lasts = _plan(here, random)
    with one_moment(here.database) as connection:
        seen = replay(world(connection, 1, 60, 60), 1)
    admission.ask(lambda gate: gate.renew("bench", PROCESSES, 600_000, []))
    threads = [threading.Thread(target=_work, args=(admission, lasts)) for _ in range(PROCESSES)]
    for it in threads:
        it.start()
    while here.sql("select 1 from firings where status = 'completed' offset %(most)s", most=SCHEDULES - 1) == []:
        tick(admission, here.settings)
        time.sleep(0.005)
    for _ in threads:
        admission.reserved.put(None)
    for it in threads:
        it.join()
    admission.gate.redis.close()
    return _compared(here, seen)


def _plan(here: Stage, random: Random) -> dict[str, float]:
    """Schedules that run once, soon, and how many seconds each lasts."""
    places = [here.workspace(name) for name in "abc"]
    lasts = {f"s{number}": random.uniform(0.5, 2.5) for number in range(SCHEDULES)}
    for name, seconds in lasts.items():
        here.sql(
            """
            insert into schedules (id, workspace_id, name, kind, run_at, next_run_at, target, priority, lane,
                                   avg_duration_ms)
            select %(id)s, %(place)s, %(name)s, 'once', at, at, %(target)s, %(priority)s, %(lane)s, %(ms)s
              from (select now() + make_interval(secs => %(soon)s) as at) as it
            """,
            id=uuid7(),
            place=random.choice(places),
            name=name,
            target=Jsonb({"kind": "command", "argv": ["true"]}),
            priority=random.choice([3, 5, 5, 7]),
            lane=random.choice([None, None, "model"]),
            ms=round(seconds * 1000),
            soon=random.uniform(1.0, SPAN_S),
        )
    return lasts


def _work(admission: Told, lasts: dict[str, float]) -> None:
    """One worker process's part: claim, run, settle, release, for each reservation that comes."""
    by = attempts.Claimer({"id": "bench"}, None, admission.gate.epoch, timedelta(seconds=60))
    while (it := admission.reserved.get()) is not None:
        request = uuid4()
        firing: UUID = it.firing
        answer = admission.ask(lambda gate, one=firing, by=request: gate.claim(one, by, "bench", 60_000))
        claimed = attempts.claim(admission.database.connection(), firing, request, by)
        if answer != "LEASED" or not isinstance(claimed, attempts.Attempt):
            raise RuntimeError(f"{it.title}: {answer}, {claimed}")
        time.sleep(lasts[it.title])
        settle(admission.database, claimed.token, Outcome(None, exit_code=0), admission.settings)
        admission.hand_over(admission.ask(lambda gate, one=firing, by=request: gate.release(one, by)))
    admission.database.close()


def _compared(here: Stage, seen: Replay) -> tuple[float, float]:
    """Mean error of the starts, and mean wait as it was forecast, in ms."""
    real = {str(title): started for title, started in here.sql("select title, started_at from firings")}
    errors: list[float] = []
    for run in seen.runs:
        started = real[run.title]
        assert run.started is not None
        assert isinstance(started, datetime)
        errors.append(abs(started - (seen.world.now + run.started * MS)) / MS)
    return fmean(errors), fmean((run.started or 0) - run.queued for run in seen.runs)
