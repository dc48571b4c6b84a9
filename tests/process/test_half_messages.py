"""Half a message on the remote-control link: the worker's loop goes on."""

import socket
import threading

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from workers import pubsub


def test_half_a_message_does_not_hold_a_worker_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py alone waits for the other half without any limit."""
    monkeypatch.setattr(pubsub, "READ_WITHIN_S", 0.2)
    # Set to what it is, so that what bound_reads puts in its place is gone after this test.
    monkeypatch.setattr(PubSub, "parse_response", PubSub.parse_response)
    pubsub.bound_reads()
    server = socket.create_server(("127.0.0.1", 0))
    answers = threading.Thread(target=_answer, args=(server,))
    answers.start()
    client = Redis(port=server.getsockname()[1], protocol=2, retry=Retry(NoBackoff(), 0))
    listener = client.pubsub()
    listener.subscribe("control")
    listener.parse_response()

    with pytest.raises(RedisTimeoutError):
        listener.parse_response()

    listener.close()
    client.close()
    answers.join()
    server.close()


def _answer(server: socket.socket) -> None:
    """Confirms whatever is asked, then says half a message, and is silent until the other side hangs up."""
    line, _ = server.accept()
    with line:
        while b"SUBSCRIBE" not in (asked := line.recv(65536)):
            line.sendall(b"+OK\r\n" * asked.count(b"SETINFO"))
        line.sendall(b"*3\r\n$9\r\nsubscribe\r\n$7\r\ncontrol\r\n:1\r\n*3\r\n$7\r\nmess")
        while line.recv(65536):
            pass
