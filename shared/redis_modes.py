"""What a Redis may not be for us: a node of a Cluster, which neither Celery's broker nor our gate can speak to."""

from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from shared.settings import Addresses

REMEDY = (
    "{name} is a node of a Redis Cluster, for which Celery has no transport: set it to a Redis or Valkey without"
    " cluster mode. One is enough; what it holds can be rebuilt from Postgres."
)
_SCHEMES = ("redis://", "rediss://", "unix://")


def cluster_refused(where: Addresses) -> str | None:
    """Why this process should not start, with the remedy; None where all is well, or nobody answers yet."""
    for name, url in (("REDIS_URL", where.redis_url), ("CELERY_BROKER_URL", where.broker_url)):
        if url.startswith(_SCHEMES) and is_cluster(url):
            return REMEDY.format(name=name)
    return None


def is_cluster(url: str) -> bool:
    """Whether that server runs in cluster mode; False where it does not answer."""
    client = Redis.from_url(url, socket_timeout=3, socket_connect_timeout=2)
    try:
        told: Any = client.info("server")
    except (RedisError, OSError):
        return False
    finally:
        client.close()
    # Valkey calls it so; Redis, and Valkey where it is to look like Redis, the other way.
    return "cluster" in (told.get("server_mode"), told.get("redis_mode"))
