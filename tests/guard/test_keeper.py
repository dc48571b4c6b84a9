"""What passes between a guard and the keeper of its worker."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

import workers.guards
from shared.clock import boottime
from tests.guard.conftest import Scene
from tests.guard.scenes import LATE_S, a_run, argv, until_it_says
from tests.waiting import until
from workers.guarded import Payload, Run, guarded
from workers.guards import Guards
from workers.wire import Wire


class Keeper:
    """Listens under an abstract name, as a worker's keeper does."""

    def __init__(self) -> None:
        self.address = f"@slotbeat-test-{uuid4()}"
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind("\0" + self.address[1:])
        self._listening.listen()
        self._listening.settimeout(10)

    def meet(self) -> tuple[Wire, dict[str, object]]:
        """The next guard that calls, and how it introduces itself."""
        wire = Wire(self._listening.accept()[0])
        return wire, said(wire)[0]

    def has_no_call(self) -> bool:
        """Whether nobody waits to be met."""
        self._listening.settimeout(0)
        try:
            self.meet()[0].close()
        except BlockingIOError:
            return True
        finally:
            self._listening.settimeout(10)
        return False

    def close(self) -> None:
        self._listening.close()


def said(wire: Wire) -> list[dict[str, object]]:
    return until(wire.receive) or []


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    listening = Keeper()
    yield listening
    listening.close()


def begin(payload: Payload, keeper: Keeper, kind: str = "plain", deadline_s: float = LATE_S) -> Run:
    run = replace(a_run(argv(kind), deadline_s, grace_s=30), token=41, keeper=keeper.address, about={"firing": "f"})
    payload.start(run)
    return run


def test_a_guard_says_whose_it_is_and_answers(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        run = begin(payload, keeper)
        wire, introduction = keeper.meet()

        wire.send({"ping": 1})
        wire.send({"ping": 2})

        about = {"token": 41, "pid": payload.guard_pid, "about": {"firing": "f"}}
        assert introduction == {**about, "deadline": run.deadline}
        answers = said(wire)
        assert (answers if len(answers) == 2 else answers + said(wire)) == [{"pong": 1}, {"pong": 2}]
        wire.close()


def test_a_payload_that_ends_at_once_is_not_told_to_the_keeper(guards: Guards, keeper: Keeper) -> None:
    """Before its lease is to be renewed there is nothing to say, and a call costs both sides as much as a fork."""

    def went_untold() -> bool:
        with guarded(guards) as payload:
            run = a_run(["sleep", "0.01"])
            payload.start(replace(run, token=41, keeper=keeper.address, about={"firing": "f"}))
            assert payload.wait(10) is not None
        return keeper.has_no_call()

    until(went_untold)  # on a busy machine one of them may last as long as what is told


def test_a_guard_answers_while_its_payload_uses_its_grace(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper, "deaf to signals")
        wire, _ = keeper.meet()
        until_it_says(payload, b"ready")

        wire.send({"abort": "cancelled"})
        wire.send({"ping": 1})

        assert said(wire) == [{"pong": 1}]
        assert payload.hear() is None
        wire.send({"kill": "fenced"})
        gone = payload.wait(10)
        assert gone is not None
        assert (gone.signal, gone.by, gone.reason) == (signal.SIGKILL, "abort", "cancelled")
        wire.close()


def test_a_keeper_can_end_a_payload_at_once(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper, "deaf to signals")
        wire, _ = keeper.meet()

        wire.send({"kill": "fenced"})
        gone = payload.wait(10)

        assert gone is not None
        assert (gone.by, gone.reason) == ("keeper", "fenced")
        wire.close()


def test_a_keeper_can_ask_a_payload_to_end(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper)
        wire, _ = keeper.meet()
        until_it_says(payload, b"ready")

        wire.send({"abort": "replaced"})
        gone = payload.wait(10)

        assert gone is not None
        assert (gone.signal, gone.by, gone.reason) == (signal.SIGTERM, "abort", "replaced")
        wire.close()


def test_the_deadline_moves_forward_and_never_back(guards: Guards, keeper: Keeper) -> None:
    first, later = 0.6, 1.2
    begun = boottime()
    with guarded(guards) as payload:
        begin(payload, keeper, deadline_s=first)
        wire, _ = keeper.meet()

        wire.send({"deadline": begun + later})
        wire.send({"deadline": begun})
        gone = payload.wait(10)

        assert gone is not None
        assert gone.by == "deadline"
        assert boottime() >= begun + later
        wire.close()


def test_a_deadline_that_is_no_number_moves_nothing(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper, deadline_s=0.6)
        wire, _ = keeper.meet()

        for nonsense in (float("nan"), float("inf"), "9e9", None, True, [1]):
            wire.send({"deadline": nonsense})
        gone = payload.wait(10)

        assert gone is not None
        assert gone.by == "deadline"
        wire.close()


def test_a_lost_keeper_changes_nothing_and_is_called_again(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper)
        lost, _ = keeper.meet()
        until_it_says(payload, b"ready")

        lost.close()
        again, introduction = keeper.meet()

        assert introduction["token"] == 41
        assert payload.hear() is None
        payload.end_of_input()
        gone = payload.wait(10)
        assert gone is not None
        assert (gone.code, gone.by) == (0, "payload")
        again.close()


def test_a_payload_runs_without_its_keeper(guards: Guards, keeper: Keeper) -> None:
    keeper.close()
    with guarded(guards) as payload:
        begin(payload, keeper)
        until_it_says(payload, b"ready")

        payload.end_of_input()
        gone = payload.wait(10)

        assert gone is not None
        assert (gone.code, gone.by) == (0, "payload")


def test_a_guard_drops_a_line_that_is_no_message(guards: Guards, keeper: Keeper) -> None:
    with guarded(guards) as payload:
        begin(payload, keeper)
        wire, _ = keeper.meet()

        os.write(wire.fileno(), b"\xff\x00\n[]\n{\n" + b"[" * 100_000 + b'\n{"ping": 5}\n')

        assert said(wire) == [{"pong": 5}]
        wire.close()


def test_an_idle_guard_whose_parent_dies_says_whose_payload_was_the_last(scene: Scene, keeper: Keeper) -> None:
    """The parent may have died before it wrote how that ended; nobody else would say so before a lease is over."""
    worker = scene("idle", keeper.address)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ended\n"

    worker.kill()

    wire, word = keeper.meet()
    if "orphaned" not in word:  # while it ran, if it lasted so long
        wire.close()
        wire, word = keeper.meet()
    assert {**word, "pid": 0} == {"token": 41, "pid": 0, "about": {"firing": "f"}, "orphaned": 41}
    assert until(lambda: wire.receive() is None)
    wire.close()


def test_a_guard_that_is_dismissed_goes_at_once_and_says_nothing(
    guards: Guards, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.guards, "_CLOSE_S", 3.0)
    staff = guards.take()
    guards.give_back(staff)
    with guarded(guards) as payload:
        begin(payload, keeper)
        wire, _ = keeper.meet()

        guards.close()

    wire.close()
    assert staff.process.returncode == 0, "it was waited for, not killed"
    assert keeper.has_no_call()
