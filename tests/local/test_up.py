"""`slotbeat up` with stand-ins for its parts: what it says, keeps alive, and leaves behind."""

import json
import os
import signal
import stat
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import pytest

from console.local.down import down
from console.local.ports import claim_port
from console.local.running import answers
from console.local.state import claim, read
from console.local.up import DEFAULT_PORT, wait_ready
from tests.proc import Process, is_alive
from tests.running import Start, Started
from tests.waiting import until

ROOT = Path(__file__).parents[2]
REMEDY = "choose a folder that can be written and has room, with --dir"


class Up(Protocol):
    def __call__(self, demo_status: int = 0, **environment: str) -> Started: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my data"


@pytest.fixture
def up(start: Start, folder: Path) -> Up:
    def begin(demo_status: int = 0, **environment: str) -> Started:
        script = ("python", "-m", "tests.local.stand_ins")
        return start(*script, folder, "2", str(demo_status), env=environment, cwd=ROOT)

    return begin


def until_ready(started: Started, folder: Path) -> None:
    status = wait_ready(folder, within_s=30)
    assert status == 0, started.text


def part(started: Started, words: str) -> Process | None:
    return next((it for it in started.tree() if words in it.command and it.parent == started.pid), None)


def test_it_tells_each_part_as_it_comes_up_and_then_the_addresses(up: Up, folder: Path) -> None:
    started = up()

    until_ready(started, folder)

    state = json.loads((folder / "state.json").read_text())
    until(lambda: started.says("Stop with Ctrl-C. Data stays."))
    for line in (
        "Worker 1    ready",
        "Worker 2    ready",
        "Demo fleet  loaded",
        "Schema      1 migrations applied",
    ):
        assert line in started.text.splitlines()
    assert f"Dashboard   {state['api_url']}" in started.text
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o600
    assert {"pid", "api_url", "flower_url", "database_url", "redis_url"} <= state.keys()
    assert state["pid"] == started.pid


def usual_port_taken() -> AbstractContextManager[object]:
    """By us; or by somebody who keeps it for long, and not by a neighbour's stack that ends before ours has looked."""
    try:
        return until(lambda: claim_port(DEFAULT_PORT)) or nullcontext()
    except AssertionError:
        return nullcontext()


def test_it_says_which_port_it_takes_where_the_usual_one_is_taken(up: Up, folder: Path) -> None:
    with usual_port_taken():
        started = up()
        until_ready(started, folder)

    port = json.loads((folder / "state.json").read_text())["api_url"].rpartition(":")[2]
    assert f"Port        8000 is taken by something else: the dashboard is at {port}" in started.text.splitlines()


def test_ctrl_c_stops_everything_in_order_and_a_second_start_goes_on(up: Up, folder: Path) -> None:
    first = up()
    until_ready(first, folder)
    below = [process.pid for process in first.tree()]

    first.send(signal.SIGINT)

    assert first.wait(within_s=10) == 0
    assert not any(map(is_alive, below))
    assert not (folder / "state.json").exists()
    assert "asked to stop" in (folder / "logs" / "worker-1.log").read_text()

    second = up()
    until_ready(second, folder)
    assert not second.says("Demo fleet"), "the demo is for the first start"


def test_sigterm_from_another_terminal_stops_it_too(up: Up, folder: Path) -> None:
    started = up()
    until_ready(started, folder)
    below = [process.pid for process in started.tree()]

    assert started.running
    os.kill(started.pid, signal.SIGTERM)

    assert started.wait(within_s=10) == 0
    assert not any(map(is_alive, below))
    assert down(folder) == 0


def test_a_killed_supervisor_leaves_no_process(up: Up, folder: Path) -> None:
    started = up()
    until_ready(started, folder)
    below = [process.pid for process in started.tree()]

    started.kill()

    until(lambda: not any(map(is_alive, below)))
    assert read(folder) is None
    again = up()
    until_ready(again, folder)


def test_a_second_ctrl_c_does_not_wait(up: Up, folder: Path) -> None:
    started = up(STAND_IN_STUBBORN="1")
    until_ready(started, folder)
    below = [process.pid for process in started.tree()]

    started.send(signal.SIGINT)
    until(lambda: started.says("Stopping"))
    started.send(signal.SIGINT)

    assert started.wait(within_s=3) == 130
    assert not any(map(is_alive, below))


def test_a_part_that_does_not_listen_is_killed_in_the_end(up: Up, folder: Path) -> None:
    started = up(STAND_IN_STUBBORN="1")
    until_ready(started, folder)
    below = [process.pid for process in started.tree()]

    started.send(signal.SIGINT)

    assert started.wait(within_s=10) == 0
    assert not any(map(is_alive, below))


def test_a_part_that_dies_is_started_again_with_all_that_it_had_started_gone(up: Up, folder: Path) -> None:
    started = up()
    until_ready(started, folder)
    worker = part(started, "stand-in ready")
    assert worker is not None
    children = [process.pid for process in started.tree() if process.parent == worker.pid]
    assert children

    os.kill(worker.pid, signal.SIGKILL)

    until(lambda: started.says("killed by SIGKILL"))
    until(lambda: sum(line.startswith("Worker") and line.endswith("ready") for line in started.text.splitlines()) == 3)
    assert "starting it again in 0.5 s" in started.text
    assert not any(map(is_alive, children))


def test_a_server_that_dies_is_started_again_at_the_same_address(up: Up, folder: Path) -> None:
    started = up()
    until_ready(started, folder)
    postgres = part(started, "bin/postgres")
    assert postgres is not None

    os.kill(postgres.pid, signal.SIGKILL)

    until(lambda: started.says("Postgres    ended; starting it again"))
    restarted = until(lambda: part(started, "bin/postgres"))
    assert restarted.pid != postgres.pid


def test_the_second_up_in_a_folder_says_where_the_first_is(up: Up, folder: Path) -> None:
    first = up()
    until_ready(first, folder)

    second = up()

    assert second.wait(within_s=10) == 0
    assert f"Already running in {folder} (pid {first.pid})" in second.text
    assert json.loads((folder / "state.json").read_text())["api_url"] in second.text
    assert first.running


def test_a_demo_that_fails_is_told_and_tried_again_at_the_next_start(up: Up, folder: Path) -> None:
    first = up(demo_status=3)
    until_ready(first, folder)
    assert first.says("Demo fleet  ended with status 3")
    first.send(signal.SIGINT)
    first.wait()

    second = up()

    until_ready(second, folder)
    assert second.says("Demo fleet  loaded")


def test_servers_of_the_environment_are_used_instead_of_ours(
    up: Up, folder: Path, database_url: str, redis_url: str
) -> None:
    started = up(DATABASE_URL=database_url, REDIS_URL=redis_url)

    until_ready(started, folder)

    state = json.loads((folder / "state.json").read_text())
    assert (state["database_url"], state["redis_url"]) == (database_url, redis_url)
    assert part(started, "bin/postgres") is None
    assert part(started, "valkey-server") is None
    assert not started.says("Demo fleet"), "a database that was given is not ours to fill"


@pytest.mark.parametrize(
    ("variable", "address", "words"),
    [
        ("REDIS_URL", "redis://127.0.0.1:9/0", "Correct REDIS_URL, or unset it"),
        ("REDIS_URL", "sesame", "REDIS_URL is no address"),
        ("DATABASE_URL", "postgresql://x:y@127.0.0.1:9/z", "Correct DATABASE_URL, or unset it"),
        ("DATABASE_URL", "sesame", "DATABASE_URL is no address"),
    ],
)
def test_a_server_of_the_environment_that_is_not_there_is_named_before_anything_starts(
    up: Up, variable: str, address: str, words: str
) -> None:
    started = up(0, **{variable: address})

    assert started.wait() == 1
    assert words in started.text
    assert len(started.text.splitlines()) == 1, started.text


def test_a_folder_that_cannot_be_is_named_with_the_remedy(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    started = start("python", "-m", "tests.local.stand_ins", tmp_path / "file", "1", "0", cwd=ROOT)

    assert started.wait() == 1
    assert started.text == f"slotbeat up: {tmp_path}/file: File exists: {REMEDY}\n"


def test_two_folders_run_side_by_side(up: Up, start: Start, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    both = [up(), start("python", "-m", "tests.local.stand_ins", other, "1", "0", cwd=ROOT)]

    for started, where in zip(both, (folder, other), strict=True):
        until_ready(started, where)

    states = [json.loads((where / "state.json").read_text()) for where in (folder, other)]
    assert states[0]["api_url"] != states[1]["api_url"]


def test_waiting_for_a_stack_that_nobody_started_ends_with_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wait_ready(folder, within_s=0.1) == 1

    assert "does not run in" in capsys.readouterr().err


def test_a_part_that_never_answers_keeps_the_stack_from_being_ready(
    up: Up, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = up(STAND_IN_SILENT="1")
    until(lambda: started.says("Flower      ready") and started.says("API         http"))

    assert wait_ready(folder, within_s=0.5) == 1

    assert "not every part is up" in capsys.readouterr().err
    state = read(folder)
    assert state is not None
    assert answers(state.api_port, "/readyz")


def test_only_one_has_the_folder(tmp_path: Path) -> None:
    first = claim(tmp_path)

    assert first is not None
    assert claim(tmp_path) is None
    os.close(first)
