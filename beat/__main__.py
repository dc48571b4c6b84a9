"""What `slotbeat beat` starts: `python -m beat`, with the options of `celery beat`."""

from celery.bin.beat import beat

from beat.celery import app
from shared.celery_command import run

run(beat, app, "beat")
