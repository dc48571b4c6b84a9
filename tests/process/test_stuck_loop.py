"""A worker whose main loop turns no more: the keeper renews, and nothing else goes on."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from shared.celery_app import make_app
from shared.settings import Addresses, Settings
from tests.proc import is_alive
from tests.process.conftest import ROOT, Fleet
from tests.process.test_lost_workers import running_payload, witness
from tests.waiting import until
from workers.watch import EXIT_STATUS, Watch


def test_a_worker_whose_loop_stands_still_ends_itself_and_charges_nobody(fleet: Fleet, tmp_path: Path) -> None:
    """What it ran is interrupted as by a deploy, and the next worker runs it."""
    quick = {"SLOTBEAT_LOOP_SILENT_S": "2", "SLOTBEAT_SHUTDOWN_GRACE_S": "0.2"}
    argv = ("python", "-m", "celery", "-A", "tests.process.stuck_loop", "worker", "-n", "stuck@test", "-c", "3")
    stuck = fleet.begin(*argv, "-l", "info", env={**fleet.environment, **quick}, cwd=ROOT)
    fleet.started.append(stuck)
    fleet.schedule(fleet.workspace(), "long", witness(tmp_path / "pid"), max_attempts=1)
    fleet.beat()
    payload = running_payload(fleet, tmp_path / "pid")
    until(lambda: stuck.says("ready."), 30)

    fleet.admission.app.control.broadcast("stop_turning")

    until(lambda: fleet.rows("select 1 from processes where (facts ->> 'loop_silent_s')::int > 0"), 30)
    assert stuck.wait(30) == EXIT_STATUS
    assert stuck.says("loop.silent")
    assert not is_alive(payload)
    assert fleet.rows("select outcome from attempts") == [("interrupted",)]
    assert fleet.rows("select status, attempt_count, interrupted_count from firings") == [("queued", 0, 1)]
    assert fleet.rows("select count(*) from processes where kind = 'worker'") == [(0,)]


def test_a_loop_is_not_silent_before_it_turned_nor_while_the_broker_is_away(redis_url: str) -> None:
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    watch, keeper = a_watch(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
    assert watch.look(5) == 0
    watch.turned()
    assert [watch.look(5), watch.look(5)] == [0, 0]
    closed.close()

    watch, keeper = a_watch(redis_url)
    assert watch.look(5) == 0
    watch.turned()
    assert [watch.look(5), watch.look(5)] == [0, 5]
    keeper.loop_silent_s = 5.0
    assert watch.look(5) == 10
    watch.turned()
    assert watch.look(5) == 0


def a_watch(broker_url: str) -> tuple[Watch, Any]:
    app = make_app("watched", Addresses("", broker_url, broker_url, "slotbeat"))
    keeper = SimpleNamespace(loop_silent_s=0.0, leases=0)
    station = SimpleNamespace(settings=Settings(), admission=SimpleNamespace(app=app))
    return Watch(cast("Any", station), cast("Any", keeper)), keeper
