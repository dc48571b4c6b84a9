"""A peer: a Dramatiq actor under a ConcurrentRateLimiter, tried again after 50 to 100 ms."""

import json
import os
import subprocess

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

ARGV = json.loads(os.environ["BENCH_ARGV"])
dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))
limiter = ConcurrentRateLimiter(RedisBackend(url=os.environ["BENCH_REDIS"]), "bench", limit=2)


@dramatiq.actor(max_retries=100_000, min_backoff=50, max_backoff=100)
def work() -> None:
    """Runs the payload under the limiter, which raises when it is full."""
    with limiter.acquire():
        subprocess.run(ARGV, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    for _ in range(int(os.environ["BENCH_COUNT"])):
        work.send()
