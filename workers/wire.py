"""JSON lines over a socket, open files beside them: how worker, guard and keeper talk."""

from __future__ import annotations

import array
import json
import select
import socket

# Every guard imports this, and must start in milliseconds: standard library only, without its heavy parts.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_CHUNK = 65_536
_FILES = 3
_FILE_SIZE = array.array("i").itemsize
_SEND_WAIT_MS = 5_000
# Without it, each file would be inherited by the payload once more. socket.recv_fds() drops its flags.
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Wire:
    """One end of a conversation; never blocks on reading, and a lost other side is an answer."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._rest = bytearray()
        self.files: list[int] = []

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: Mapping[str, Any], files: Sequence[int] = ()) -> bool:
        """Whether the other side took it. A peer that reads nothing counts as gone after five seconds."""
        data = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._sock, [data], files) if files else self._sock.send(data)
            while sent < len(data):
                if not self._writable():
                    return False
                sent += self._sock.send(data[sent:])
        except OSError:
            return False
        return True

    def _writable(self) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        return bool(poll.poll(_SEND_WAIT_MS))

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have arrived, perhaps none; None when the other side is gone."""
        try:
            data, beside, _, _ = self._sock.recvmsg(_CHUNK, socket.CMSG_LEN(_FILES * _FILE_SIZE), _FLAGS)
        except BlockingIOError:
            return []
        except OSError:
            return None
        self.files += [file for *_, files in beside for file in array.array("i", files)]
        if not data:
            return None
        self._rest += data
        if b"\n" not in data:
            return []
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        return [message for line in lines if (message := _parsed(line)) is not None]

    def close(self) -> None:
        self._sock.close()


def call(address: str) -> Wire | None:
    """A line to whoever listens there, under an abstract name where it begins with @; None where nobody does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        sock.close()
        return None
    return Wire(sock)


def _parsed(line: bytearray) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
