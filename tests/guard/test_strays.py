"""What is left of a worker that is gone is found by what it carries, and nothing else is touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.guard.scenes import INSTALLATION, PRELUDE, a_run, argv, until_it_says
from tests.operations import hosts
from tests.proc import is_alive
from tests.waiting import until
from workers import tree
from workers.guarded import guarded
from workers.guards import Guards
from workers.strays import _is_guard, end_strays, has_guards, strays


@pytest.fixture
def leave() -> Iterator[object]:
    """Starts a process as a worker that is gone would have left it."""
    left: list[subprocess.Popen[bytes]] = []

    def begin(installation: str, body: str = "stay(0)") -> int:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PRELUDE + body],
            env={"SLOTBEAT_INSTALLATION": installation},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        left.append(process)
        return process.pid

    yield begin
    for process in left:
        process.kill()
        process.communicate()


def test_strays_of_this_installation_are_ended_and_no_others(leave) -> None:
    ours, theirs = str(uuid4()), str(uuid4())
    stray, other = leave(ours, "child(stopped); stay(1)"), leave(theirs)

    met = end_strays(ours)

    assert met == 2
    assert not is_alive(stray)
    assert strays(ours) == []
    assert [found.pid for found in strays(theirs)] == [other]
    assert is_alive(other)


def test_a_payload_with_a_living_guard_is_no_stray(guards: Guards) -> None:
    with guarded(guards) as payload:
        run = a_run(argv("double-forked orphan"))
        payload.start(run)
        until_it_says(payload, b"ready")

        assert end_strays(run.env["SLOTBEAT_INSTALLATION"]) == 0
        assert payload.hear() is None


# A worker of this installation with a guarded payload; it says its pid when that runs.
WORKER = """
import sys
from dataclasses import replace
from tests.operations import hosts
from tests.guard.scenes import a_run, argv, until_it_says
from workers.guarded import guarded
from workers.guards import Guards

installation = sys.argv[1]
with guarded(Guards(installation)) as payload:
    payload.start(replace(a_run(argv("plain")), env={"SLOTBEAT_INSTALLATION": installation}))
    until_it_says(payload, b"ready")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def container() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A worker of an installation whose pids are not ours, below a first process that outlives it."""
    if not hosts.unsharing():
        pytest.skip("this kernel lets us make no namespace of pids")
    installation = str(uuid4())
    first = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:]); sys.stdin.read()"]
    worker = [sys.executable, "-c", WORKER, installation]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*hosts.unsharing(), *first, *worker], cwd=hosts.ROOT, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield installation, process
    process.kill()
    process.communicate()


def test_a_payload_in_a_container_beside_us_is_no_stray_while_its_worker_lives(
    container: tuple[str, subprocess.Popen[bytes]],
) -> None:
    """Its guard was told a pid by which we know somebody else, or nobody."""
    installation, process = container
    below = tree.descendants(process.pid)

    assert end_strays(installation) == 0
    assert all(is_alive(pid) for pid in below)


def test_a_guard_in_a_container_beside_us_that_was_stopped_and_lost_its_worker_is_one(
    container: tuple[str, subprocess.Popen[bytes]],
) -> None:
    installation, process = container
    below = tree.descendants(process.pid)
    [guard] = [pid for pid in below if _is_guard(pid, installation)]
    seen = tree.look(guard)
    assert seen is not None
    os.kill(guard, signal.SIGSTOP)
    os.kill(seen.parent, signal.SIGKILL)
    until(lambda: not is_alive(seen.parent))

    assert end_strays(installation) >= 1
    assert not is_alive(guard)


def test_the_guards_of_a_process_are_found_until_the_last_of_them_is_gone(guards: Guards) -> None:
    guards.prepare()
    # A process that is being made has no words for a moment; it looks for its parent before it begins anything.
    until(lambda: has_guards(INSTALLATION, os.getpid()))
    assert not has_guards(INSTALLATION, os.getppid())
    assert not has_guards(str(uuid4()), os.getpid())

    guards.close()
    assert not has_guards(INSTALLATION, os.getpid())


def test_a_process_is_known_by_its_start_as_well(leave) -> None:
    pid = leave(str(uuid4()))
    seen = tree.look(pid)
    assert seen is not None

    assert tree.end_tree(pid, include_root=True, start=seen.start + 1)
    assert is_alive(pid)
    assert tree.end_tree(pid, include_root=True, start=seen.start)
    assert not is_alive(pid)


def test_a_tree_ends_below_its_root_and_the_root_lives(leave) -> None:
    root = leave(str(uuid4()), "child(forever); child(stopped); stay(2)")
    below = tree.descendants(root)

    assert tree.end_tree(root, include_root=False)

    assert len(below) == 2
    assert is_alive(root)
    until(lambda: not any(is_alive(pid) for pid in below))


def test_here_the_kernel_can_do_it() -> None:
    assert tree.support() == "subreaper"
    assert tree.look(os.getpid()) is not None
    assert tree.look(2**22 + 1) is None
