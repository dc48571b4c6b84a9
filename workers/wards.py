"""The guards that have told a keeper of their payloads, and what is said between them."""

import json
import os
import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.clock import monotonic
from shared.events import trouble


@dataclass
class Ward:
    """A guard on the line; token 0 until it has said whose payload it guards."""

    line: socket.socket
    token: int = 0
    guard_pid: int = 0
    firing: UUID | None = None
    request: UUID | None = None
    answered: int = 0
    rest: bytes = field(default=b"", repr=False)


class Wards:
    """All guards on the line. One thread listens and speaks; any thread may wake it."""

    def __init__(
        self,
        address: str,
        on_word: Callable[[bytes], None],
        on_orphan: Callable[[int], None] = lambda _: None,
        on_deadline: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`on_word` hears what pool children say in one word instead of a guard's JSON.

        `on_orphan` hears the token of a payload whose pool child died, once its guard has ended all of it;
        `on_deadline` until when a guard that has just called lets its payload run.
        """
        self._on_word, self._on_orphan, self._on_deadline = on_word, on_orphan, on_deadline
        self._selector = selectors.DefaultSelector()
        self._by_file: dict[int, Ward] = {}
        self._ear, self._mouth = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("\0" + address[1:])
        self._listener.listen(128)
        for it in (self._listener, self._ear):
            it.setblocking(False)
            self._selector.register(it, selectors.EVENT_READ)
        self._pings = 0

    def __len__(self) -> int:
        return len(self._by_file)

    def known(self) -> list[Ward]:
        """Those that have said whose payload they guard."""
        return [ward for ward in list(self._by_file.values()) if ward.token]

    def wake(self) -> None:
        """Ends a `hear` that waits, from any thread."""
        with suppress(OSError):
            self._mouth.send(b"!")

    def hear(self, timeout_s: float) -> None:
        """Listens for so long at most, or until something was said."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._greet()
            elif key.fileobj is self._ear:
                self._ear.recv(4096)
            elif (ward := self._by_file.get(key.fd)) is not None:
                self._listen_to(ward)

    def ask(self, within_s: float) -> tuple[list[Ward], list[Ward]]:
        """Asks every guard whether it is there: those that answered in time, and those that did not."""
        self._pings += 1
        asked = self.known()
        for ward in asked:
            self.say(ward, {"ping": self._pings})
        until = monotonic() + within_s
        while self._silent(asked) and (left := until - monotonic()) > 0:
            self.hear(left)
        silent = self._silent(asked)
        return [ward for ward in asked if self._is_here(ward) and ward not in silent], silent

    def say(self, ward: Ward, message: dict[str, Any]) -> None:
        """Tells one guard; one that is gone needs to hear nothing."""
        with suppress(OSError):
            ward.line.send(json.dumps(message).encode() + b"\n")

    def drop(self, ward: Ward) -> None:
        """Hangs up."""
        self._by_file.pop(ward.line.fileno(), None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(ward.line)
        ward.line.close()

    def close(self) -> None:
        """Hangs up on everybody; their deadlines stand."""
        for ward in list(self._by_file.values()):
            self.drop(ward)
        for it in (self._listener, self._ear, self._mouth):
            it.close()
        self._selector.close()

    def _is_here(self, ward: Ward) -> bool:
        return ward.line.fileno() in self._by_file

    def _silent(self, asked: list[Ward]) -> list[Ward]:
        return [ward for ward in asked if self._is_here(ward) and ward.answered < self._pings]

    def _greet(self) -> None:
        line, _ = self._listener.accept()
        pid, user = peer(line)
        # An abstract socket has no permissions: anybody on this host may call.
        if user != os.getuid():
            line.close()
            return
        line.setblocking(False)
        self._by_file[line.fileno()] = Ward(line, guard_pid=pid)
        self._selector.register(line, selectors.EVENT_READ)

    def _listen_to(self, ward: Ward) -> None:
        try:
            told = ward.line.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            self.drop(ward)
            return
        *lines, ward.rest = (ward.rest + told).split(b"\n")
        try:
            for line in lines:
                self._heed(ward, line)
        except (ValueError, KeyError, TypeError) as error:
            trouble("ward.not_understood", error, pid=ward.guard_pid)
            self.drop(ward)

    def _heed(self, ward: Ward, line: bytes) -> None:
        if not line.startswith(b"{"):
            self._on_word(line)
            return
        message: dict[str, Any] = json.loads(line)
        if "token" in message:
            ward.firing, ward.request = UUID(message["about"]["firing"]), UUID(message["about"]["request"])
            ward.token = int(message["token"])
            if "deadline" in message:
                self._on_deadline(float(message["deadline"]))
        # Of its own payload alone: no guard can say that another's is orphaned.
        if ward.token and message.get("orphaned") == ward.token:
            self._on_orphan(ward.token)
        ward.answered = max(ward.answered, int(message.get("pong", 0)))


def peer(line: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, as the kernel knows them."""
    pid, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid, user
