"""The one factory of Celery apps: broker, queues, routes, JSON only."""

import logging
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from celery import Celery, signals
from kombu import Exchange, Queue
from kombu.exceptions import ChannelError, ConnectionLimitExceeded

from shared import logs
from shared.redis_servers import watched
from shared.settings import DEFAULT_NAMESPACE, Addresses, NoAddress, addresses

EXECUTE = "slotbeat.execute"
REAP = "slotbeat.reap"
RECONCILE = "slotbeat.reconcile"
CANCEL_REMOTE = "slotbeat.cancel_remote"
RESTART = "slotbeat.restart_workspace"
SWEEP = "slotbeat.sweep_phantom_busy"
WAKE = "slotbeat.wake_workspaces"
ALERT = "slotbeat.send_alert"
TALLY = "slotbeat.tally"
RETAIN = "slotbeat.retain"

FIRINGS = "firings"
MAINTENANCE = "maintenance"

# With redis-py's defaults a packet loss of 10 s without a reset hung a Celery worker for 150 s.
BROKER_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    # Whoever sends finds a broker that is away at once, and goes on: kombu would try again for six seconds, each time.
    "max_retries": 1,
    "interval_start": 0,
}


@signals.after_setup_logger.connect(weak=False)
def _shape_logs(logger: logging.Logger | None = None, **_: Any) -> None:
    logs.shape(logger)


def make_app(name: str, where: Addresses | None = None) -> Celery:
    """A Celery app on the broker that the environment (or `where`) names; a message is a hint and carries ids only."""
    where = where or addresses()
    app = Celery(name, set_as_current=False)
    # Two installations may share a Redis if they have different namespaces; the plain names are a promise.
    prefix = "" if where.namespace == DEFAULT_NAMESPACE else f"{where.namespace}:"
    sentinels = watched(where.broker_url)
    options: dict[str, Any] = {**BROKER_OPTIONS, "global_keyprefix": prefix}
    if sentinels is not None:
        options |= {"master_name": sentinels.primary, "sentinel_kwargs": sentinels.asking(**BROKER_OPTIONS)}
    app.conf.update(
        broker_url=where.broker_url if sentinels is None else sentinels.for_kombu(),
        broker_transport_options=options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis that refuses writes (no replica, no disk, no primary any more) is one that is away: Celery would end
        # the worker, and with it what runs.
        broker_channel_error_retry=True,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        # Redelivery is no recovery: it runs work twice. Postgres knows what is lost, and the reaper acts.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Each queue with an exchange of its own: of a shared one, every message would go to both.
        task_queues=tuple(Queue(name, Exchange(name), routing_key=name) for name in (FIRINGS, MAINTENANCE)),
        task_default_queue=MAINTENANCE,
        task_routes={EXECUTE: {"queue": FIRINGS}},
        task_create_missing_queues=False,
        worker_send_task_events=True,
        # What is said of a message as it is sent has no room for the firing's title; where it comes late, as from
        # another process it may, Flower would put the task's name over the title that the worker told.
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def app_for_commands(name: str) -> Celery:
    """The app that Celery's own commands find; where no address is set they end with one line, and no traceback."""
    try:
        return make_app(name)
    except NoAddress as error:
        raise SystemExit(f"{error}.") from error


def close_app(app: Celery) -> None:
    """Gives back the app with its connections to the broker, which Celery's own close leaves open."""
    with ExitStack() as held, suppress(ConnectionLimitExceeded):
        # The pool is that of all apps of this broker: it is emptied, and goes on.
        for _ in range(app.pool.limit):
            held.enter_context(app.pool.acquire(block=False)).collect()
    app.close()


def publish_firings(app: Celery, firings: Iterable[tuple[str, str]]) -> int:
    """Sends one hint per (firing id, title) over one connection; how many were sent.

    Each message has a new Celery id, for a revoked id is never run again; the title is what Flower shows.
    Raises kombu's OperationalError when the broker is away: nothing is lost, the reconciler sends again.
    """
    sent = 0
    with app.amqp.producer_pool.acquire(block=True, timeout=5) as producer:
        for firing, title in firings:
            _send(app, producer, EXECUTE, [firing], shadow=title[:200])
            sent += 1
    return sent


def publish_maintenance(app: Celery, task: str, *args: Any) -> None:
    """Sends one maintenance task by its name."""
    with app.amqp.producer_pool.acquire(block=True, timeout=5) as producer:
        _send(app, producer, task, list(args))


def waiting_in(app: Celery, queue: str) -> int:
    """How many messages nobody has fetched yet; 0 for a queue that the broker does not know."""
    with app.amqp.producer_pool.acquire(block=True, timeout=5) as producer:
        # kombu's pool takes back a connection that it closed after a failed send, and one that was lost while Sentinels
        # were asked one after the other: a channel of such a one is an AttributeError, which would end beat.
        producer.connection.ensure_connection(max_retries=1, interval_start=0)
        with producer.connection.channel() as channel:
            try:
                return app.amqp.queues[queue](channel).queue_declare(passive=True).message_count
            except ChannelError:
                return 0


def _send(app: Celery, producer: Any, task: str, args: list[Any], shadow: str | None = None) -> None:
    app.send_task(task, args=args, producer=producer, shadow=shadow, ignore_result=True, retry=False)
