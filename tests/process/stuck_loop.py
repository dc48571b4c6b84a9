"""The workers' app with one more command of remote control, which stops the main loop for good."""

import threading
from typing import Any

from celery.worker.control import control_command

from workers.celery import app

__all__ = ["app"]


@control_command()
def stop_turning(state: Any) -> None:
    """Never returns to the loop."""
    threading.Event().wait()
