"""What the tests of the guard share."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.guard.scenes import INSTALLATION
from workers.guards import Guards

ROOT = Path(__file__).resolve().parents[2]


class Scene(Protocol):
    def __call__(self, *words: str, user: int | None = None, python: str = sys.executable) -> subprocess.Popen[str]: ...


@pytest.fixture
def guards() -> Iterator[Guards]:
    ours = Guards(INSTALLATION)
    yield ours
    ours.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Starts a scene in a process of its own, as the user with this number."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str, user: int | None = None, python: str = sys.executable) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-m", "tests.guard.scenes", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a forked child of its own, too
        process.communicate()
