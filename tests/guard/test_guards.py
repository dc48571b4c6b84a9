"""Guards are ready ahead of need, serve one payload after the other, and belong to one process."""

import os
import signal
import statistics
import threading

import pytest

from shared.clock import boottime, monotonic
from tests.guard.conftest import Scene
from tests.guard.scenes import INSTALLATION, LATE_S, a_run, argv, until_it_says
from tests.proc import is_alive, look_up
from tests.waiting import until
from workers import tree
from workers.guarded import Gone, Payload, Run, guarded
from workers.guards import Guards


def ended(payload: Payload) -> Gone:
    gone = payload.wait(20)
    assert gone is not None
    return gone


def once(guards: Guards, *words: str) -> Gone:
    with guarded(guards) as payload:
        payload.start(a_run(list(words)))
        return ended(payload)


def test_the_spare_is_used_and_used_again(guards: Guards) -> None:
    guards.prepare()
    spare = guards.pids

    assert once(guards, "true").code == 0
    assert once(guards, "sh", "-c", "exit 3").code == 3
    assert once(guards, "sh", "-c", "kill -USR1 $$").signal == signal.SIGUSR1
    assert once(guards, "no-such-program").by == "refused"
    with guarded(guards):
        pass  # taken, and not needed after all

    assert len(spare) == 1
    assert guards.pids == spare


def test_closing_leaves_no_guard(guards: Guards) -> None:
    guards.prepare()
    (spare,) = guards.pids

    guards.close()

    assert not is_alive(spare)
    assert guards.pids == frozenset()


def test_a_spare_that_was_killed_is_replaced(guards: Guards) -> None:
    guards.prepare()
    (spare,) = guards.pids
    os.kill(spare, signal.SIGKILL)
    until(lambda: not is_alive(spare))

    assert once(guards, "true").code == 0
    assert spare not in guards.pids


def test_a_message_for_the_last_payload_does_not_reach_the_next(guards: Guards) -> None:
    with guarded(guards) as payload:
        payload.start(a_run(["true"]))
        until(lambda: payload.hear() or tree.children(payload.guard_pid))
        payload.abort("cancelled")
        ended(payload)
        payload.abort("cancelled")
    with guarded(guards) as payload:
        payload.start(a_run(argv("plain")))
        until_it_says(payload, b"ready")
        payload.end_of_input()

        assert ended(payload).by == "payload"


def test_a_stopped_payload_is_woken_to_hear_that_it_should_end(guards: Guards) -> None:
    script = "trap 'exit 7' TERM; kill -STOP $$; while :; do sleep 0.05; done"
    with guarded(guards) as payload:
        payload.start(a_run(["sh", "-c", script], grace_s=LATE_S))
        until(lambda: [it.state for it in map(look_up, tree.children(payload.guard_pid)) if it] == ["T"])
        payload.abort("cancelled")

        assert ended(payload).code == 7


def test_threads_have_a_guard_each(guards: Guards) -> None:
    codes: list[int | None] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        together.wait()
        codes.extend([once(guards, "sh", "-c", f"exit {number}").code for _ in range(10)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes, key=str) == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10


def test_a_killed_guard_costs_its_neighbours_nothing(guards: Guards) -> None:
    with guarded(guards) as neighbour, guarded(guards) as payload:
        neighbour.start(a_run(argv("double-forked orphan")))
        payload.start(a_run(argv("double-forked orphan")))
        until_it_says(neighbour, b"ready")
        until_it_says(payload, b"ready")

        os.kill(payload.guard_pid, signal.SIGKILL)

        assert ended(payload).by == "guard_lost"
        assert neighbour.hear() is None
        neighbour.end_of_input()
        assert ended(neighbour).by == "payload"


def test_a_forked_child_holds_nothing_of_its_parents_guards(scene: Scene) -> None:
    worker = scene("fork")
    assert worker.stdout is not None
    assert worker.stdin is not None
    said = dict(worker.stdout.readline().split() for _ in range(2))

    worker.stdin.close()
    worker.stdin = None
    closed = worker.stdout.readline()

    # The guard ended when its own worker let go of it, although the child still lives.
    assert (said["child"], closed) == ("True", "closed\n")
    assert not is_alive(int(said["parent"]))


@pytest.mark.parametrize(
    ("words", "cwd", "what"),
    [
        (["no-such-program"], "/", "no such program"),
        (["/no/such/program"], "/", "no such program"),
        (["/"], "/", "not an executable"),
        (["/etc/passwd"], "/", "not an executable"),
        (["true"], "/no/such/folder", "working directory '/no/such/folder' cannot be entered"),
        (["true"], "/etc/passwd", "working directory '/etc/passwd' cannot be entered"),
        (["true", "x" * 200_000], "/", "longer than this system takes"),
        (["true", "a\0b"], "/", "null"),
        ([""], "/", "no such program"),
    ],
)
def test_what_cannot_be_started_is_told_in_a_sentence(words: list[str], cwd: str, what: str, guards: Guards) -> None:
    now = boottime()
    with guarded(guards) as payload:
        payload.start(Run(words, {"PATH": os.defpath}, cwd, now + LATE_S, now + LATE_S, 1, 7))
        gone = ended(payload)

    assert (gone.by, gone.reason) == ("refused", "bad_target")
    assert gone.error is not None
    assert what in gone.error
    assert gone.error.endswith(".")


def test_a_script_without_a_first_line_is_told_so(guards: Guards, tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "script")
    with open(script, "w") as file:
        file.write("echo hello\n")
    os.chmod(script, 0o755)

    gone = once(guards, script)

    assert gone.by == "refused"
    assert "#!" in (gone.error or "")


def test_a_payload_starts_clean(guards: Guards) -> None:
    look = (
        "import os, resource, signal;"
        "print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1],"
        " resource.getrlimit(resource.RLIMIT_CORE), os.getsid(0) == os.getpid(), os.getcwd(),"
        " [line.split()[1] for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'NoNewP')])"
    )
    ignored = "grep SigIgn /proc/self/status"
    said: list[bytes] = []
    for words in (["python3", "-I", "-S", "-c", look], ["sh", "-c", ignored]):
        with guarded(guards) as payload:
            payload.start(a_run(words))
            said.append(until_it_says(payload, b"\n"))
            ended(payload)

    assert said[0].split() == b"[0, 1, 2] (0, 0) True / ['0000000000000000', '1']".split()
    # The two that the C library keeps to itself are ignored in whatever it spawns.
    assert int(said[1].split()[1], 16) & ~0x180000000 == 0


def test_how_long_a_start_takes(guards: Guards) -> None:
    cold, warm = [], []
    for _ in range(5):
        fresh = Guards(INSTALLATION)
        begun = monotonic()
        once(fresh, "true")
        cold.append(monotonic() - begun)
        fresh.close()
    for _ in range(50):
        begun = monotonic()
        once(guards, "true")
        warm.append(monotonic() - begun)

    # Told with `pytest -rP`, never asserted: machines differ.
    told = [f"{1000 * statistics.median(times):.1f} ms" for times in (cold, warm)]
    print(f"`true`, from nothing to its end told: {told[0]} with a new guard, {told[1]} with a ready one")


def test_a_payload_closes_no_file_of_another_that_got_its_number(guards: Guards) -> None:
    """Found by a crowd of payloads: their ends of the pipes are closed early, and the numbers used again."""
    with guarded(guards) as first:
        first.start(a_run(["true"]))
        with guarded(guards) as second:
            second.start(a_run(argv("plain")))
            ended(first)
            first.close()

            for file in (second.stdin, second.stdout, second.stderr):
                os.fstat(file)
            assert until_it_says(second, b"ready") == b"ready\n"
