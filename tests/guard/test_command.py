"""What a command says is heard in full, counted, and kept within bounds."""

import hashlib
import os
import resource
import sys
from dataclasses import replace
from typing import Any

import pytest

from shared.clock import boottime
from tests.guard.scenes import argv
from workers.adapters.events import Event, Usage
from workers.guards import Guards
from workers.targets import execute, program, under_guard
from workers.targets.ended import Ended
from workers.targets.program import environment
from workers.targets.tally import BATCH, LAST_EVENTS, MOST_EVENTS, OnEvents
from workers.targets.terms import Terms

MIB = 1024 * 1024


def terms(max_turns: int | None = None, grace_s: float = 5, last_s: float = 60) -> Terms:
    now = boottime()
    return Terms({"SLOTBEAT_TOKEN": "7"}, now + last_s, now + last_s, grace_s, token=7, max_turns=max_turns)


def run(target: dict[str, Any], prompt: str, within: Terms, guards: Guards, on_events: OnEvents) -> Ended:
    return under_guard.run(program({"kind": "command", **target}, prompt, within), within, guards, on_events)


def say(guards: Guards, script: str, prompt: str = "", within: Terms | None = None) -> tuple[Ended, list[Event]]:
    events: list[Event] = []
    ended = run({"argv": ["sh", "-c", script]}, prompt, within or terms(), guards, events.extend)
    return ended, events


def test_lines_are_events_or_log(guards: Guards) -> None:
    script = """
    echo '{"type": "turn", "n": 1, "usage": {"input_tokens": 10, "output_tokens": 2, "cost_micros": 500}}'
    echo plain words
    echo '{"type": "message", "text": "hi", "usage": {"input_tokens": 5}}'
    echo '{"type": "tool", "name": "grep"}'
    echo '{"type": "something else"}'
    echo '{not json'
    echo '[1, 2]'
    echo '{"type": "turn"}'
    echo '{"type": "result", "result": "done"}'
    printf 'no newline'
    """

    ended, events = say(guards, script)

    kinds = ["turn", "log", "message", "tool", "message", "log", "log", "turn", "message", "log"]
    assert [event.kind for event in events] == kinds
    assert (ended.turns, ended.usage) == (2, Usage(15, 2, 500))
    assert (ended.result, ended.exit_code, ended.reason, ended.error) == ("done", 0, None, None)
    assert events[-1].data == {"text": "no newline", "stream": "stdout"}


def test_the_prompt_arrives_whole(guards: Guards) -> None:
    prompt = "Zażółć gęślą jaźń 🐝\n" * 100_000

    ended, _ = say(guards, "sha256sum; wc -c < /proc/self/environ > /dev/null", prompt)

    assert ended.output_tail.split()[0] == hashlib.sha256(prompt.encode()).hexdigest()


def test_a_payload_need_not_read_its_prompt(guards: Guards) -> None:
    closing, _ = say(guards, "exec <&-; echo done", "x" * MIB)
    ignoring, _ = say(guards, "echo done", "x" * MIB)

    assert (closing.exit_code, closing.output_tail) == (0, "done\n")
    assert (ignoring.exit_code, ignoring.output_tail) == (0, "done\n")


@pytest.mark.parametrize(
    "flood",
    [
        "head -c 200000000 /dev/zero",
        "yes | head -c 200000000",
        "yes 'a somewhat longer line, as logs have them' | head -c 200000000 >&2",
        """yes '{"type": "turn", "and": "what begins like an object, never to end like one, in a hundred letters"'"""
        " | head -c 200000000",
    ],
)
def test_two_hundred_megabytes_are_neither_kept_nor_in_the_way(flood: str, guards: Guards) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    ended, events = say(guards, f'{flood}; echo; echo \'{{"type": "turn"}}\'; echo the end; echo the end >&2')

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (ended.exit_code, ended.turns) == (0, 1)
    assert ended.output_tail.endswith("the end\n")
    assert len(ended.output_tail.encode()) <= MIB
    assert ended.dropped_bytes > 200_000_000 - 2 * MIB
    assert len(events) <= MOST_EVENTS + LAST_EVENTS + 2
    assert "the end" in str(events[-1].data["text"]), "the tail is what is kept"
    assert grown_kib < 32 * 1024


def test_what_is_no_text_is_made_storable(guards: Guards) -> None:
    ended, events = say(guards, r"""printf '\377\0x\n'; printf '{"type": "turn", "a": "\\u0000\\ud800"}\n'""")

    assert ended.output_tail.startswith("\ufffd\ufffdx\n")
    assert events[0].data["text"] == "\ufffd\ufffdx"
    assert events[1].data["a"] == "\ufffd\ufffd"
    assert ended.turns == 1


def test_a_breach_aborts_at_once(guards: Guards) -> None:
    script = "trap 'exit 9' TERM; for i in 1 2 3; do echo '{\"type\": \"turn\"}'; done; while :; do sleep 0.02; done"

    ended, _ = say(guards, script, within=terms(max_turns=2, grace_s=60))

    assert (ended.by, ended.reason, ended.turns, ended.exit_code) == ("abort", "turn_limit_exceeded", 3, 9)


def test_a_payload_within_its_budget_completes(guards: Guards) -> None:
    ended, _ = say(guards, 'echo \'{"type": "turn"}\'; echo \'{"type": "turn"}\'', within=terms(max_turns=2))

    assert (ended.reason, ended.turns) == (None, 2)


def test_a_payload_that_ends_before_the_abort_arrives_has_breached_all_the_same(guards: Guards) -> None:
    ended, _ = say(guards, 'echo \'{"type": "turn"}\'', within=terms(max_turns=0))

    assert ended.reason == "turn_limit_exceeded"


def test_events_come_in_batches_while_it_runs(guards: Guards) -> None:
    batches: list[int] = []
    script = f"""
    for i in $(seq {2 * BATCH}); do echo '{{"type": "turn"}}'; done
    echo '{{"type": "message"}}'
    read go
    """
    seen_early: list[bool] = []

    def on_events(events: list[Event]) -> None:
        batches.append(len(events))
        if events[-1].kind == "message":
            # Told while the payload still waits for the end of its input, or after: either way, soon.
            seen_early.append(True)

    ended = run({"argv": ["sh", "-c", script]}, "", terms(), guards, on_events)

    assert ended.turns == 2 * BATCH
    assert max(batches) <= BATCH
    assert sum(batches) == 2 * BATCH + 1
    assert seen_early


def test_events_that_cannot_be_stored_end_the_payload(guards: Guards) -> None:
    def on_events(events: list[Event]) -> None:
        raise ConnectionError("the database is away")

    ended = run({"argv": ["sh", "-c", "echo hi; exec sleep 60"]}, "", terms(), guards, on_events)

    assert (ended.by, ended.reason) == ("abort", "worker_lost")
    assert "the database is away" in (ended.error or "")


@pytest.mark.parametrize(
    ("script", "reason", "error"),
    [
        ("echo this went wrong >&2; exit 3", "exit_nonzero", "Exit code 3: this went wrong"),
        ("exit 3", "exit_nonzero", "Exit code 3: It said nothing"),
        ("kill -SEGV $$", "exit_nonzero", "Killed by SIGSEGV"),
        ("kill -KILL $$", "exit_nonzero", "Killed by SIGKILL"),
        (
            """echo '{"type": "error", "reason": "rate_limited", "message": "slow down"}'; exit 1""",
            "rate_limited",
            "slow down",
        ),
        ("""echo '{"type": "error", "reason": "cancelled"}'; exit 1""", "exit_nonzero", "Exit code 1"),
    ],
)
def test_a_failure_is_told_with_its_reason(script: str, reason: str, error: str, guards: Guards) -> None:
    ended, _ = say(guards, script)

    assert ended.reason == reason
    assert error in (ended.error or "")


@pytest.mark.parametrize(("script", "code"), [("kill -KILL $$", -9), ("kill -SEGV $$", -11)])
def test_a_payload_that_was_killed_is_no_target_that_may_heal(script: str, code: int, guards: Guards) -> None:
    """Else it would be tried again, as if a server had been away."""
    outcome = execute({"kind": "command", "argv": ["sh", "-c", script]}, "", terms(), guards, lambda _: None)

    assert (outcome.reason, outcome.exit_code) == ("exit_nonzero", code)


def test_a_kill_for_memory_is_told_as_such(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([4, 5])
    monkeypatch.setattr(under_guard.oom, "kills", lambda: next(counted))

    ended, _ = say(guards, "kill -KILL $$")

    assert ended.reason == "oom"


def test_the_clocks_are_told_apart(guards: Guards) -> None:
    late = replace(terms(grace_s=1), run_deadline=boottime() + 0.3)
    leased, _ = say(guards, "exec sleep 60", within=late)

    lost = replace(terms(), deadline=boottime() + 0.3)
    fenced, _ = say(guards, "exec sleep 60", within=lost)

    assert (leased.by, leased.reason, leased.signal) == ("run_lease", "lease_expired", 15)
    assert (fenced.by, fenced.reason, fenced.signal) == ("deadline", "worker_lost", 9)


def test_a_killed_guard_is_a_lost_worker(guards: Guards) -> None:
    ended = run({"argv": argv("kills its guard")}, "", terms(), guards, lambda _: None)

    assert (ended.by, ended.reason) == ("guard_lost", "worker_lost")
    assert len(guards.pids) == 1  # and there is a new one


def test_a_payload_that_stops_its_guard_still_meets_its_deadline(guards: Guards) -> None:
    script = "while :; do kill -STOP $PPID; sleep 0.01; done"
    within = replace(terms(), deadline=boottime() + 0.3)

    ended, _ = say(guards, script, within=within)

    assert ended.reason == "worker_lost"


def test_a_refused_command_is_a_bad_target(guards: Guards) -> None:
    ended = run({"argv": ["no-such-program"]}, "prompt", terms(), guards, lambda _: None)

    assert (ended.by, ended.reason, ended.exit_code) == ("refused", "bad_target", None)
    assert "no-such-program" in (ended.error or "")


def test_secrets_of_the_worker_never_reach_a_payload(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "SLOTBEAT_API_TOKEN", "PGPASSWORD", "LD_PRELOAD_SECRET"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    target = {
        "argv": [sys.executable, "-I", "-S", "-c", "import os; print(dict(os.environ))"],
        "env": {"MINE": "yes", "SLOTBEAT_TOKEN": "999"},
    }

    ended = run(target, "", terms(), guards, lambda _: None)

    assert "hunter2" not in ended.output_tail
    assert "'MINE': 'yes'" in ended.output_tail
    assert "'LC_ALL': 'C.UTF-8'" in ended.output_tail
    assert "'SLOTBEAT_TOKEN': '7'" in ended.output_tail


def test_not_even_the_guard_has_them(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "hunter2")
    guards.prepare()
    (spare,) = guards.pids

    with open(f"/proc/{spare}/environ", "rb") as file:
        assert b"hunter2" not in file.read()


def test_the_environment_is_complete_and_explicit() -> None:
    worker = {"PATH": "/bin", "LC_TIME": "C", "SECRET": "x", "HOME": "/home"}

    assert environment(worker, {"HOME": "/tmp", "A": "b"}, {"SLOTBEAT_TOKEN": "1"}) == {
        "PATH": "/bin",
        "LC_TIME": "C",
        "HOME": "/tmp",
        "A": "b",
        "SLOTBEAT_TOKEN": "1",
    }


def test_no_file_is_left_open(guards: Guards) -> None:
    say(guards, "true")
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(20):
        say(guards, "echo hi; exit 1")

    assert len(os.listdir("/proc/self/fd")) == before
