"""Where trials run: servers that stay, and a lane among processes of its own that forks for each."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from console.local.servers import Servers, embedded_servers
from tests.mutation.lending import LENT
from tests.mutation.telling import TOLD
from workers import tree

LANE = Path(__file__).with_name("lane.py")
ANSWERS_WITHIN_S = 10.0


class Bench:
    """One lane with its servers; for one thread."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._lane = _started()

    def run(self, folder: Path, arguments: Sequence[str], too_long_s: float) -> int | None:
        """The exit code of pytest; None if it took too long. A lane that a mutant killed begins anew."""
        self._wake_redis()
        lent = f"{self._servers.database_url} {self._servers.redis_url}"
        asked = {
            "folder": str(folder),
            "arguments": list(arguments),
            "too_long_s": too_long_s,
            "environment": {**environment(folder), LENT: lent},
        }
        stdin, stdout = self._lane.stdin, self._lane.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        if told := stdout.readline():
            return json.loads(told)
        self.close()
        self._lane = _started()
        return -9

    def _wake_redis(self) -> None:
        """A script of a mutant may go round for ever: whatever were asked from then on would be red."""
        with Redis.from_url(self._servers.redis_url, socket_timeout=ANSWERS_WITHIN_S) as client:
            try:
                client.ping()
            except RedisError:
                self._servers.redis.restart()

    def close(self) -> None:
        tree.end_tree(self._lane.pid, include_root=True)
        self._lane.communicate()


@contextmanager
def benches(count: int) -> Iterator[list[Bench]]:
    """So many, which share one pair of servers a bench."""
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        with _servers(Path(made), count) as pairs:
            found = [Bench(pair) for pair in pairs]
            try:
                yield found
            finally:
                for bench in found:
                    bench.close()


@contextmanager
def _servers(folder: Path, count: int) -> Iterator[list[Servers]]:
    if count == 0:
        yield []
        return
    with embedded_servers(folder / str(count), durable=False) as pair, _servers(folder, count - 1) as others:
        yield [pair, *others]


def _started() -> subprocess.Popen[str]:
    argv = [*apart(), sys.executable, str(LANE), *(["--apart"] if apart() else [])]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd="/", env=kept, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def environment(folder: Path) -> dict[str, str]:
    """The copy comes before whatever the virtual environment knows by the same names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MUTANTS", "PYTEST_"))}
    return {**kept, "PYTHONPATH": str(folder), TOLD: str(folder / "told.jsonl")}


@cache
def apart() -> tuple[str, ...]:
    """What to put before a command so that it sees no processes but its own: a mutant may kill what it should not.

    Where the system does not let us: nothing, and the run says so.
    """
    command = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    try:
        found = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    # The shell stays the first process there: one with that number is deaf to signals, which tests send.
    return (*command, "sh", "-c", '"$@"; exit $?', "apart") if found.returncode == 0 else ()
