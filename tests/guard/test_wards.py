"""The keeper's end of the lines to its guards, alone."""

import json
import socket
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.waiting import until
from workers.wards import Wards


@pytest.fixture
def wards() -> Iterator[Wards]:
    made = Wards(f"@{uuid4()}", lambda _: None)
    yield made
    made.close()


@pytest.fixture
def guard(wards: Wards) -> Iterator[socket.socket]:
    """A guard that has said whose payload it guards."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(wards._listener.getsockname())
        line.settimeout(20)
        say(line, {"token": 7, "pid": 0, "about": {"firing": str(uuid4()), "request": str(uuid4())}})
        until(lambda: wards.hear(1) or wards.known())
        yield line


def say(line: socket.socket, message: dict[str, object]) -> None:
    line.sendall(json.dumps(message).encode() + b"\n")


def test_who_answers_is_there_and_who_does_not_is_silent(wards: Wards, guard: socket.socket) -> None:
    quiet = [[it.token for it in part] for part in wards.ask(0.05)]
    answers = threading.Thread(
        target=lambda: say(guard, {"pong": json.loads(guard.recv(4096).split(b"\n")[-2])["ping"]})
    )
    guard.recv(4096)
    answers.start()
    there = [[it.token for it in part] for part in wards.ask(20)]
    answers.join()

    assert quiet == [[], [7]]
    assert there == [[7], []]


def test_who_hangs_up_while_it_is_asked_is_neither_there_nor_silent(wards: Wards, guard: socket.socket) -> None:
    """Its lease is not renewed, and there is nobody left to be ended."""
    hangs_up = threading.Thread(target=lambda: guard.recv(4096) and guard.shutdown(socket.SHUT_RDWR))
    hangs_up.start()

    told = wards.ask(20)
    hangs_up.join()

    assert told == ([], [])
    assert wards.known() == []
