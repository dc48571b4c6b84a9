"""Hosts for a test: process trees with PIDs, a name and a network of their own, where the kernel lets us make them.

`python -m tests.operations.hosts NAME PORT=SOCKET... -- COMMAND` is the first process of such a host. It passes what
connects to its own 127.0.0.1:PORT on to a socket in the file system, which is all that reaches out.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.running import Start, Started

ROOT = Path(__file__).resolve().parents[2]
_OWN = ("--pid", "--uts", "--net", "--mount-proc", "--fork", "--kill-child")
_SIOCSIFFLAGS, _UP = 0x8914, 0x1


@cache
def unsharing() -> tuple[str, ...]:
    """How a command gets a host of its own; empty where the kernel refuses, as for users without rights."""
    for argv in (("unshare", *_OWN), ("unshare", "--user", "--map-root-user", *_OWN)):
        with suppress(OSError):
            if subprocess.run([*argv, "true"], capture_output=True, check=False, timeout=20).returncode == 0:
                return argv
    return ()


@dataclass
class Host:
    """One host and the command that runs on it."""

    name: str
    started: Started

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs another command there, as `docker exec` would."""
        inside = self._inside()
        there = ["nsenter", "--target", str(inside), "--pid", "--uts", "--net", "--mount"] if unsharing() else []
        command = [*there, *resolved(argv)]
        return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    def _inside(self) -> int:
        """The first process of the host, as we see it."""
        first = [it.pid for it in self.started.tree() if "tests.operations.hosts" in it.command]
        return min(first, default=self.started.pid)

    def stop(self) -> None:
        """SIGTERM to its first process, as `docker stop` sends it."""
        os.kill(self._inside(), signal.SIGTERM)


def resolved(argv: Sequence[str]) -> list[str]:
    """The command of an image with the programs of this environment."""
    here = Path(sys.executable).parent / argv[0]
    found = str(here) if here.exists() else shutil.which(argv[0])
    assert found is not None, argv[0]
    return [found, *argv[1:]]


def begin(start: Start, name: str, argv: Sequence[str], env: Mapping[str, str], wires: Mapping[int, Path]) -> Host:
    """A host with this name on which this command runs."""
    ports = [f"{port}={path}" for port, path in wires.items()]
    first = ["python", "-m", "tests.operations.hosts", name if unsharing() else "", *(ports if unsharing() else ())]
    return Host(name, start(*unsharing(), *own_python(first), "--", *resolved(argv), env=env, cwd=ROOT))


def own_python(argv: Sequence[str]) -> list[str]:
    return [sys.executable, *argv[1:]]


@contextmanager
def wired(folder: Path, ports: Sequence[int]) -> Iterator[dict[int, Path]]:
    """Sockets in a folder that lead to ports of this machine."""
    loop = asyncio.new_event_loop()
    paths = {port: folder / f"{port}.sock" for port in ports}
    servers = [loop.run_until_complete(_listen_at(path, port)) for port, path in paths.items()]
    thread = threading.Thread(target=loop.run_forever, name="wires")
    thread.start()
    try:
        yield paths
    finally:
        asyncio.run_coroutine_threadsafe(_end(servers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen_at(path: Path, port: int) -> asyncio.AbstractServer:
    return await asyncio.start_unix_server(
        lambda r, w: _join(r, w, asyncio.open_connection("127.0.0.1", port)), str(path)
    )


async def _end(servers: Sequence[asyncio.AbstractServer]) -> None:
    for server in servers:
        server.close()
    # Again, for a connection that was taken on just before has its task only now.
    while others := [it for it in asyncio.all_tasks() if it is not asyncio.current_task()]:
        # One that was cancelled before its first step would not come to where it closes what it was given.
        await asyncio.sleep(0)
        for it in others:
            it.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    # What a task that has ended gives up is closed in the rounds of the loop after it.
    for _ in range(5):
        await asyncio.sleep(0)


# A loop knows its tasks weakly: one whose both ends are silent would be collected in mid-run.
_joined: set["asyncio.Task[None] | None"] = set()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: object) -> None:
    _joined.add(asyncio.current_task())
    try:
        await _pass_both_ways(reader, writer, other)
    finally:
        _joined.discard(asyncio.current_task())


async def _pass_both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: object) -> None:
    try:
        far_reader, far_writer = await other  # pyright: ignore[reportGeneralTypeIssues]
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        for end in (writer, far_writer):
            end.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


# The first process of a host -----------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    """Runs the command until it ends; its exit status, and its signals are passed on to it."""
    at = argv.index("--")
    name, wires, command = argv[0], argv[1:at], argv[at + 1 :]
    if name:
        socket.sethostname(name)
        _bring_loopback_up()
    child = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda it, _: child.send_signal(it))
    loop = asyncio.new_event_loop()
    for wire in wires:
        port, _, path = wire.partition("=")
        loop.run_until_complete(
            asyncio.start_server(
                lambda r, w, path=path: _join(r, w, asyncio.open_unix_connection(path)), "127.0.0.1", int(port)
            )
        )
    threading.Thread(target=loop.run_forever, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
