"""The Celery app that `celery -A beat beat` finds."""

from shared.celery_app import make_app

app = make_app("slotbeat.beat")
app.conf.beat_scheduler = "beat.scheduler:Scheduler"
app.conf.beat_max_loop_interval = 1
