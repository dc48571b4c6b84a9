"""One part of the stack as a process: started, seen to be up, stopped."""

import contextlib
import http.client
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from console.local.leash import leashed
from console.local.parts import Answers, Finishes, Part
from console.local.ports import LOOPBACK

ANSWER_WITHIN_S = 1.0


class Running:
    """The process of a part."""

    def __init__(self, part: Part, logs: Path, environment: Mapping[str, str]) -> None:
        self.part = part
        self.log = logs / part.log_name
        with self.log.open("ab") as out:
            self._said_before = out.tell()
            self._process = subprocess.Popen(
                leashed(part.argv, signal.SIGKILL),
                env={**environment, **part.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for us; we tell the parts, in their order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def is_up(self) -> bool:
        match self.part.ready:
            case Finishes():
                return self.status == 0
            case Answers(port, path):
                return answers(port, path)
            case ready:
                return ready.words in self.said()

    def said(self) -> str:
        return self.log.read_bytes()[self._said_before :].decode("utf-8", errors="replace")

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Ends it, with all of its session: a part that died may have left children there."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        # Before it is a session of its own, the signal above finds nobody.
        self._process.kill()
        self._process.wait()


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
