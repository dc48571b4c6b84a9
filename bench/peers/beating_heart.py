"""A peer: a Dramatiq actor whose workers count as lost after 1.5 s without a heartbeat, looked at each time."""

import json
import os
import subprocess

import dramatiq
from dramatiq.brokers.redis import MAINTENANCE_SCALE, RedisBroker

ARGV = json.loads(os.environ["BENCH_ARGV"])
url = os.environ["BENCH_REDIS"]
dramatiq.set_broker(RedisBroker(url=url, heartbeat_timeout=1500, maintenance_chance=MAINTENANCE_SCALE))


@dramatiq.actor(max_retries=10, min_backoff=50, max_backoff=100)
def work() -> None:
    """Runs the payload."""
    subprocess.run(ARGV, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    work.send()
