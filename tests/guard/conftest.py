"""What the tests of the guard share."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.guard.scenes import INSTALLATION
from workers.guards import Guards

ROOT = Path(__file__).resolve().parents[2]


class Scene(Protocol):
    def __call__(
        self, *words: str, user: int | None = None, within: "Within | None" = None, module: str = "scenes"
    ) -> subprocess.Popen[str]: ...


@dataclass(frozen=True)
class Within:
    """A Python, and a folder with our packages."""

    python: str
    folder: Path


HERE = Within(sys.executable, ROOT)


@pytest.fixture
def guards() -> Iterator[Guards]:
    ours = Guards(INSTALLATION)
    yield ours
    ours.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Starts a scene in a process of its own, as the user with this number."""
    begun: list[subprocess.Popen[str]] = []

    def begin(
        *words: str, user: int | None = None, within: Within | None = None, module: str = "scenes"
    ) -> subprocess.Popen[str]:
        there = within or HERE
        process = subprocess.Popen(
            [there.python, "-m", f"tests.guard.{module}", *words],
            cwd=there.folder,
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


NOBODY = 65_534
# Of a Python's library: what no scene imports.
_UNUSED = shutil.ignore_patterns("__pycache__", "site-packages", "test", "idlelib", "tkinter", "ensurepip", "config-*")


@pytest.fixture(scope="session")
def within_for_nobody() -> Iterator[Within]:
    """What a user without any right may run: as it is here, else copied to where everybody may look."""
    with tempfile.TemporaryDirectory(prefix="slotbeat-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        system = shutil.which("python3", path=os.defpath) or sys.executable
        copied = str(folder / "python" / "bin" / "python3")
        for python, root in ((sys.executable, ROOT), (system, ROOT), (system, folder), (copied, folder)):
            if root == folder and not (folder / "tests").exists():
                for package in ("shared", "workers", "tests"):
                    shutil.copytree(ROOT / package, folder / package, ignore=_UNUSED)
            if python == copied:
                _copy_python(folder / "python")
            if _can_be_run_by_nobody(python, root):
                break
        else:
            raise AssertionError("not even a copy of this Python runs for a user without rights")
        yield Within(python, root)


def _copy_python(place: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    (place / "bin").mkdir(parents=True)
    shutil.copy2(Path(sys.executable).resolve(), place / "bin" / "python3")
    shutil.copytree(base / "lib" / version, place / "lib" / version, ignore=_UNUSED)
    for library in (base / "lib").glob("libpython*"):
        shutil.copy2(library, place / "lib")


def _can_be_run_by_nobody(python: str, root: Path) -> bool:
    old = "import sys; import tests.guard.scenes; sys.exit(sys.version_info < (3, 11))"
    try:
        told = subprocess.run(
            [python, "-B", "-c", old],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=root,
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return told.returncode == 0
