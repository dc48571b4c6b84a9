"""The broker's transport as a worker uses it: no message, whatever it is, ends the worker."""

from typing import Any

from celery.worker import state
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ResponseError

from shared.celery_app import FIRINGS, MAINTENANCE
from shared.events import event, trouble
from shared.rules.messages import flaw

_OURS = (FIRINGS, MAINTENANCE)


class Channel(redis.Channel):
    """Kombu's channel, but what cannot be read is dropped where it would raise into the worker's main loop."""

    def close(self) -> None:
        """Closes it, also where the read that is under way finds the connection lost.

        Kombu leaves such a channel open. When the worker then closes it a second time, without its transport, and had
        a message that waited for a free process, it would raise what ends the worker, and all that runs in it.
        """
        try:
            super().close()
        except self.connection_errors:
            super().close()

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, RecursionError) as error:
            # It is off the queue already.
            trouble("message.refused", error)
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            self._clear_ours()
        return True

    def _receive_one(self, c: Any) -> Any:
        """Of remote control, which every worker hears at once: what kombu refuses itself, it logs."""
        try:
            return super()._receive_one(c)
        except RecursionError as error:
            trouble("message.refused", error)
            return None

    def _size(self, queue: str) -> Any:
        try:
            return super()._size(queue)
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            self._clear_ours()
            return 0

    def _clear_ours(self) -> None:
        """Deletes queues that are no lists: nothing in them is a message, and nobody can publish to them."""
        with self.conn_or_acquire() as client:
            for queue in _OURS:
                try:
                    client.llen(queue)
                except ResponseError as error:
                    trouble("queue.deleted", error, queue=queue)
                    client.delete(queue)


class SentinelChannel(Channel, redis.SentinelChannel):
    """The same of a primary that Sentinels name."""


class Transport(redis.Transport):
    """Kombu's, with a look at each message before anybody acts on it."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        wrong = flaw(message) if queue in _OURS else None
        if wrong is not None:
            # Not given back: it would be the next worker's. Not quoted: it is anybody's text, of any length.
            event("message.refused", queue=queue, why=wrong)
            return
        try:
            super()._deliver(message, queue)
        except Exception as error:
            if _is_connection_lost(error):
                raise
            trouble("message.refused", error, queue=queue)
            if queue in _OURS:
                self._forget(message["properties"]["delivery_tag"])

    def _forget(self, tag: str) -> None:
        """Takes it out of what a closing worker gives back."""
        for channel in self.channels or []:
            if channel and tag in channel.qos._delivered:
                channel.basic_reject(tag, requeue=False)


class SentinelTransport(Transport, redis.SentinelTransport):
    """The same of a primary that Sentinels name."""

    default_port = redis.SentinelTransport.default_port
    Channel = SentinelChannel


def contain(worker: Any) -> None:
    """From now on, what cannot be given to a process of this worker ends neither the worker nor the use of the process.

    Celery counts the process as taken first. And a message that has waited for one is given to it by whatever frees
    it, in the main loop, where no transport catches anything.
    """
    give = worker._process_task

    def give_or_refuse(request: Any) -> None:
        try:
            give(request)
        except Exception as error:
            if _is_connection_lost(error):
                raise
            trouble("message.refused", error, queue=request.delivery_info["routing_key"])
            request.reject(requeue=False)
            state.task_ready(request)
            worker._quick_release()

    worker._process_task = give_or_refuse


def _is_wrong_type(error: ResponseError) -> bool:
    return "WRONGTYPE" in str(error)


def _is_connection_lost(error: Exception) -> bool:
    """KeyError is among kombu's connection errors, and is what many a malformed message raises."""
    return isinstance(error, Transport.connection_errors) and not isinstance(error, KeyError)


def use() -> None:
    """From now on, for redis://, rediss:// and sentinel:// in this process."""
    for scheme, name in (("redis", "Transport"), ("rediss", "Transport"), ("sentinel", "SentinelTransport")):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{name}"
