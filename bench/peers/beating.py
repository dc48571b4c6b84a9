"""A peer: celery-redbeat with so many schedules due at once; prints the seconds until every message is sent."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta

from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import RedBeatScheduler
from redis import Redis

COUNT = int(os.environ["BENCH_COUNT"])
IS_DUE = os.environ.get("BENCH_DUE", "1") == "1"
IDLE_TICKS = 200
app = Celery("beating", broker=os.environ["BENCH_REDIS"])
app.conf.redbeat_redis_url = os.environ["BENCH_REDIS"]
app.conf.redbeat_lock_key = None
app.conf.task_ignore_result = True
app.conf.enable_utc = True


@app.task(name="work")
def work(number: int) -> None:
    """Never run: messages are counted."""


def main() -> None:
    """Fills, then ticks until all is sent, or measures an idle tick."""
    every = timedelta(hours=1) if IS_DUE else timedelta(days=300)
    last = datetime.fromtimestamp(time.time(), UTC) - timedelta(hours=1, minutes=1)
    for number in range(COUNT):
        entry = RedBeatSchedulerEntry(f"s{number}", "work", schedule(every), args=[number], app=app)
        entry.save()
        entry.reschedule(last_run_at=last)
    beat = RedBeatScheduler(app=app, lazy=True)
    beat.setup_schedule()
    with Redis.from_url(os.environ["BENCH_REDIS"]) as client:
        begun = time.perf_counter()
        if IS_DUE:
            while client.llen("celery") < COUNT:
                beat.tick()
            print(time.perf_counter() - begun)
            return
        for _ in range(IDLE_TICKS):
            beat.tick()
        print((time.perf_counter() - begun) / IDLE_TICKS)


sys.exit(main())
