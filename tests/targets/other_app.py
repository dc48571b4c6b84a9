"""A second Celery app, as a user has one: its own broker, queue and tasks, and nothing of ours."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery

app = Celery("agents", broker=os.environ["AGENTS_BROKER_URL"], backend=os.environ["AGENTS_BROKER_URL"])


@app.task(name="agents.report", bind=True)
def report(self: Any, prompt: str, *, title: str) -> dict[str, Any]:
    """Says what it was given, and by whom."""
    headers = self.request.headers or {}
    return {
        "result": f"{title}: {prompt} ({headers.get('SLOTBEAT_TOKEN')}, {headers.get('Idempotency-Key')})",
        "usage": {"output_tokens": 4, "cost_micros": 70},
    }


@app.task(name="agents.fail")
def fail(prompt: str) -> None:
    """Fails as agents do."""
    raise RuntimeError("429 Too Many Requests")


@app.task(name="agents.talk", bind=True)
def talk(self: Any, prompt: str, *, into: str) -> None:
    """Takes turns, and leaves a mark as long as it lives."""
    for number in range(1, 1000):
        self.update_state(state="PROGRESS", meta={"turns": number})
        Path(into).write_text(str(number))
        time.sleep(0.05)
