"""The look at what a test leaves behind sees what it should see."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.leftovers import nothing_left
from tests.proc import is_alive
from tests.waiting import until

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
# A grandchild in a session of its own, whose parent ends at once.
DAEMON = f"""
from subprocess import DEVNULL, Popen
print(Popen({SLEEPS!r}, stdout=DEVNULL, start_new_session=True).pid)
"""


def port_of(url: str) -> int | None:
    return urlsplit(url).port


def test_a_child_left_running_is_named_and_ended() -> None:
    with pytest.raises(AssertionError, match=r"time\.sleep\(600\)"), nothing_left():
        child = subprocess.Popen(SLEEPS)

    until(lambda: not is_alive(child.pid))
    child.wait()


def test_a_daemon_that_lost_its_parent_is_found_all_the_same() -> None:
    with pytest.raises(AssertionError, match=r"time\.sleep\(600\)"), nothing_left():
        told = subprocess.run([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE, check=True).stdout

    until(lambda: not is_alive(int(told)))


def test_a_thread_left_running_is_named() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")

    with pytest.raises(AssertionError, match="thread forgotten"), nothing_left():
        thread.start()

    end.set()
    thread.join()


def test_what_goes_on_for_150_milliseconds_is_found() -> None:
    """On a busy machine the look itself may take so long: one of several must find it."""
    found: list[str] = []
    for _ in range(10):
        thread = threading.Thread(target=time.sleep, args=(0.15,), name="a little late")
        try:
            with nothing_left():
                thread.start()
        except AssertionError as error:
            found.append(str(error))
        thread.join()
        if found:
            break

    assert "thread a little late" in found[0]


def test_a_connection_left_open_is_named_with_its_peer(redis_url: str) -> None:
    client = Redis.from_url(redis_url)

    with pytest.raises(AssertionError, match=rf"connection from .* to .*{port_of(redis_url)}"), nothing_left():
        client.ping()

    client.close()


def test_what_was_there_before_and_what_ends_in_time_is_no_leftover() -> None:
    before = subprocess.Popen(SLEEPS)

    with nothing_left():
        threading.Thread(target=threading.Event().wait, args=(0.02,)).start()

    before.kill()
    before.wait()


def test_the_look_is_taken_after_every_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import pytest_configure\n")
    (tmp_path / "test_it.py").write_text(f"import subprocess\ndef test_it(): subprocess.Popen({SLEEPS!r})\n")

    inner = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:valkey", "-q", tmp_path],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert inner.returncode == 1
    assert "left behind:" in inner.stdout
