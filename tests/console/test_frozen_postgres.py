"""What people are told while Postgres is frozen (SIGSTOP): its host acknowledges everything, and nothing answers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from console.local.servers import Servers
from shared.store import frozen
from shared.store.frozen import LetGo, WatchedDatabase
from shared.store.migrate import migrate
from tests.console.conftest import api_at, form
from tests.proc import descendants
from tests.waiting import until

# As many as the API has for requests.
THREADS = 5


@contextmanager
def standing_still(servers: Servers) -> Iterator[None]:
    """The postmaster first, or it would see its children go."""
    root = servers.postgres.pid
    os.kill(root, signal.SIGSTOP)
    stopped = [root, *(it.pid for it in descendants(root))]
    for pid in stopped[1:]:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_every_answer_of_the_api_and_every_page_is_a_503_and_it_comes_back_by_itself(
    own_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen, "SILENT_S", 0.3)
    migrate(own_servers.database_url)
    with api_at(own_servers.database_url, own_servers.redis_url) as api:
        workspace = api.workspace()
        with standing_still(own_servers):
            # The first waits on a connection that it had, the second makes one, the others find it away.
            listed = api.ask("GET", "/api/schedules")
            made = api.ask("POST", "/api/schedules", json=form(workspace))
            board = api.ask("GET", "/", headers={"Accept": "text/html"})
            ready = api.ask("GET", "/readyz")

        assert [(it.status_code, it.json()["error"]) for it in (listed, made)] == [(503, "database_unavailable")] * 2
        assert "slotbeat doctor" in listed.json()["detail"]
        assert (board.status_code, "Postgres cannot be reached" in board.text) == (503, True)
        assert (ready.status_code, ready.json()["redis"]) == (503, "ok")
        assert until(lambda: api.ask("GET", "/readyz").status_code == 200)
        assert api.get("/api/schedules")["items"] == []


def told(words: tuple[str, ...], servers: Servers) -> list[tuple[int, str]]:
    """How each command ends and what it says, all asked at once."""
    urls = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    environ = {name: value for name, value in os.environ.items() if name == "PATH"} | urls
    argv = (sys.executable, "-m", "console.cli", "--dir", "/nowhere")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    asked = [subprocess.Popen([*argv, it], env=environ, **pipes) for it in words]
    said = [it.communicate(timeout=50)[0] for it in asked]
    return [(it.returncode, text) for it, text in zip(asked, said, strict=True)]


def test_commands_that_ask_postgres_themselves_say_so_and_end(own_servers: Servers) -> None:
    migrate(own_servers.database_url)
    with standing_still(own_servers):
        slots, migrated, doctor = told(("slots", "migrate", "doctor"), own_servers)

    for code, said in (slots, migrated, doctor):
        assert code == 1
        assert "Traceback" not in said
    assert "Postgres does not answer" in slots[1]
    assert "fail  postgres      Postgres does not answer" in doctor[1]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[WatchedDatabase]:
    """A database that is watched by somebody with little patience."""
    monkeypatch.setattr(frozen, "SILENT_S", 0.2)
    monkeypatch.setattr(frozen, "LOOK_EVERY_S", 0.05)
    with closing(WatchedDatabase(database_url, at_most_s=2.0)) as database:
        yield database


def waiting_in_vain(database: WatchedDatabase) -> bool:
    """Whether a statement that would take a minute is ended because the server is silent."""
    with closing(database.connection()) as known, pytest.raises(psycopg.OperationalError) as told:
        known.execute("select pg_sleep(60), 'in vain'")
    return "Postgres is silent" in str(told.value)


def sleeping(database_url: str) -> list[Any]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        asked = "select pid from pg_stat_activity where query like 'select pg_sleep(60)%' and state = 'active'"
        return connection.execute(asked).fetchall()


def test_a_statement_that_takes_long_is_not_taken_for_a_server_that_is_frozen(hasty: WatchedDatabase) -> None:
    assert hasty.connection().execute("select pg_sleep(1), 'done'").fetchone() == ("", "done")


def test_one_backend_that_is_frozen_is_given_up_in_the_end_though_the_others_answer(hasty: WatchedDatabase) -> None:
    known = hasty.connection()
    pid = known.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.OperationalError, match="Postgres is silent"):
            known.execute("select 1")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert hasty.connection().execute("select 1").fetchone() == (1,)


def test_a_wait_that_has_ended_ends_no_other(hasty: WatchedDatabase) -> None:
    known = hasty.connection()
    assert isinstance(known, LetGo)

    known.let_go(1.0)

    assert known.execute("select 1").fetchone() == (1,)


def test_all_who_wait_for_one_server_are_let_go_after_one_question(
    monkeypatch: pytest.MonkeyPatch, hasty: WatchedDatabase
) -> None:
    asked: list[frozen.Place] = []
    monkeypatch.setattr(frozen, "answers", lambda _, place: bool(asked.append(place)))
    monkeypatch.setattr(frozen, "SILENT_S", float("inf"))

    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(waiting_in_vain, hasty) for _ in range(THREADS)]
        assert until(lambda: len(sleeping(hasty.url)) == THREADS)
        monkeypatch.setattr(frozen, "SILENT_S", 0.0)
        said = [it.result() for it in waiting]

    assert said == [True] * THREADS
    assert len(asked) == 1


def test_a_connection_that_broke_while_it_waited_needs_no_letting_go(hasty: WatchedDatabase) -> None:
    known = hasty.connection()
    assert isinstance(known, LetGo)
    known.waits_since = 1.0
    known.close()

    known.let_go(1.0)

    assert known.closed


def test_whoever_waits_is_let_go_also_after_a_look_that_failed(
    monkeypatch: pytest.MonkeyPatch, hasty: WatchedDatabase
) -> None:
    looks: list[int] = []

    def failing_at_first(*_: Any) -> bool:
        looks.append(1)
        if len(looks) == 1:
            raise RuntimeError("can't start new thread")
        return False

    monkeypatch.setattr(frozen, "answers", failing_at_first)

    assert waiting_in_vain(hasty)
