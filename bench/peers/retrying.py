"""A peer: the recipe of a Celery task that takes a place in a Redis semaphore, or tries again in 50 ms."""

import json
import os
import subprocess
import time
from typing import Any

from celery import Celery
from redis import Redis

CAP = 2
ARGV = json.loads(os.environ["BENCH_ARGV"])
redis = Redis.from_url(os.environ["BENCH_REDIS"])
app = Celery("retrying", broker=os.environ["BENCH_REDIS"])
app.conf.worker_prefetch_multiplier = 1
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
take = redis.register_script(
    """
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - 60)
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
    redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
    return 1
    """
)


@app.task(name="work", bind=True, max_retries=None)
def work(self: Any) -> None:
    """Runs the payload under the semaphore."""
    if not take(keys=["semaphore"], args=[time.monotonic(), self.request.id, CAP]):
        raise self.retry(countdown=0.05)
    try:
        subprocess.run(ARGV, check=True, stdin=subprocess.DEVNULL)
    finally:
        redis.zrem("semaphore", self.request.id)


@app.task(name="plain")
def plain() -> None:
    """Runs the payload, and nothing else."""
    subprocess.run(ARGV, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(int(os.environ["BENCH_COUNT"])):
            app.send_task(os.environ.get("BENCH_TASK", "work"), producer=producer)
