"""A peer: a Celery task that is acknowledged late and given back when its process dies, at its tightest."""

import json
import os
import subprocess

from celery import Celery

ARGV = json.loads(os.environ["BENCH_ARGV"])
app = Celery("late", broker=os.environ["BENCH_REDIS"])
app.conf.task_acks_late = True
app.conf.task_reject_on_worker_lost = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_ignore_result = True
app.conf.broker_transport_options = {"visibility_timeout": 5}
app.conf.broker_connection_retry_on_startup = True


@app.task(name="work")
def work() -> None:
    """Runs the payload."""
    subprocess.run(ARGV, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    app.send_task("work")
