"""What `slotbeat worker` starts: `python -m workers`, with the options of `celery worker`."""

from celery.bin.worker import worker

from shared.celery_command import run
from workers.celery import app

run(worker, app, "workers")
