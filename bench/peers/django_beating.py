"""A peer: django-celery-beat on Postgres with so many schedules due at once; prints the seconds until all are sent."""

import os
import sys
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import django
from celery import Celery
from django.conf import settings

COUNT = int(os.environ["BENCH_COUNT"])
where = urlsplit(os.environ["BENCH_DATABASE"])
settings.configure(
    INSTALLED_APPS=["django_celery_beat"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["BENCH_DATABASE_NAME"],
            "USER": where.username,
            "PASSWORD": where.password,
            "HOST": where.hostname or parse_qs(where.query).get("host", [""])[0],
            "PORT": where.port,
        }
    },
)
django.setup()
app = Celery("django_beating", broker=os.environ["BENCH_REDIS"])
app.conf.task_ignore_result = True


@app.task(name="work")
def work() -> None:
    """Never run: messages are counted."""


def main() -> None:
    """Fills, then ticks until all is sent."""
    from django.core.management import call_command
    from django_celery_beat.models import IntervalSchedule, PeriodicTask
    from django_celery_beat.schedulers import DatabaseScheduler
    from redis import Redis

    call_command("migrate", verbosity=0)
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    last = datetime.fromtimestamp(time.time() - 7200, UTC)
    PeriodicTask.objects.bulk_create(
        [PeriodicTask(name=f"s{number}", task="work", interval=every, last_run_at=last) for number in range(COUNT)]
    )
    beat = DatabaseScheduler(app=app)
    with Redis.from_url(os.environ["BENCH_REDIS"]) as client:
        begun = time.perf_counter()
        while client.llen("celery") < COUNT:
            beat.tick()
        print(time.perf_counter() - begun)


sys.exit(main())
