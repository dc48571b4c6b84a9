"""The doctor as people call it: a healthy system is told so, by every role that may look."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from console.cli import root
from console.doctor import examine
from console.doctor.finding import Finding
from console.doctor.report import tell, unnamed
from console.local import state
from shared.store.connection import connect
from tests.process.conftest import ROOT, Fleet
from tests.store.test_roles import login
from tests.waiting import until

CHECKS = (
    *("postgres", "schema", "redis", "redis memory", "redis disk", "invariants", "roles", "users", "size", "settings"),
    *(
        "cap",
        "workers",
        "beat",
        "reaper",
        "reconciler",
        "upkeep",
        "room",
        "line",
        "guards",
        "allowed",
        "payloads",
        "clocks",
        "epoch",
        "gate",
        "broker",
        "failures",
        "queues",
    ),
)


@pytest.fixture
def keeps(redis_url: str) -> Iterator[None]:
    """The tests' server appends to a file for once."""
    with Redis.from_url(redis_url) as client:
        client.config_set("appendonly", "yes")
        yield
        client.config_set("appendonly", "no")


def doctor(environment: Mapping[str, str], *options: str) -> tuple[int, str]:
    at = list(options) if "--dir" in options else []
    argv = [sys.executable, "-m", "console.cli", *at, "doctor", *(() if at else options)]
    told = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)
    assert told.stderr == ""
    return told.returncode, told.stdout


def working(fleet: Fleet) -> None:
    """A worker and a beat that have done a round of everything."""
    fleet.schedule(fleet.workspace(), "hello", ["true"])
    fleet.worker()
    fleet.beat()
    fleet.ended()
    done = (
        "select count(*) from cadence where finished_at is not null and name in ('slotbeat.reap', 'slotbeat.reconcile')"
    )
    until(lambda: fleet.rows(done) == [(2,)])
    until(lambda: fleet.rows("select count(*) from processes") == [(2,)])


def test_a_healthy_system_is_told_so(fleet: Fleet, keeps: None) -> None:
    working(fleet)

    code, told = doctor(fleet.environment, "--json")
    report: dict[str, Any] = json.loads(told)
    assert [it for it in report["findings"] if it["level"] != "ok"] == []
    assert (code, report["ok"]) == (0, True)
    assert {it["check"] for it in report["findings"]} == set(CHECKS)

    code, told = doctor({**fleet.environment, "DATABASE_URL": login(fleet.environment["DATABASE_URL"], "api")})
    assert code == 0, told
    lines = told.splitlines()
    assert lines.pop() == "all is well"
    assert len(lines) == len(CHECKS)
    assert all(line.startswith("ok  ") for line in lines)


def test_a_user_who_may_not_look_is_told_who_may(fleet: Fleet) -> None:
    as_reader = {**fleet.environment, "DATABASE_URL": login(fleet.environment["DATABASE_URL"], "reader")}

    code, told = doctor(as_reader)

    assert code == 1
    assert "this user may not look: permission denied for table settings" in told
    assert "$ export DATABASE_URL=  # of a member of slotbeat_api" in told


def test_findings_are_a_line_each_with_what_to_type_below(capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        Finding("one", "ok", "fine"),
        Finding("two", "warn", "not so \x1b[31mgood", ("slotbeat this", "slotbeat that")),
    ]

    assert tell(found) == 1

    assert capsys.readouterr().out.splitlines() == [
        "ok    one           fine",
        "warn  two           not so \\x1b[31mgood",
        "                    $ slotbeat this",
        "                    $ slotbeat that",
        "1 finding",
    ]


def test_a_remedy_is_typed_as_it_stands_also_where_only_the_stack_knows_the_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "redis://:secret@127.0.0.1:1/0"
    state.publish(tmp_path, state.State(1, 1, 1, "", "postgresql:///x", address))
    full = Finding("redis memory", "fail", "full", ('test "$REDIS_URL" = ' + shlex.quote(address),))

    tell([full], unnamed({}, tmp_path))
    [export] = [it.strip(" $") for it in capsys.readouterr().out.splitlines() if "export" in it]
    typed = subprocess.run(["sh", "-ec", f"{export}\n{full.remedy[0]}"], check=False, env={"PATH": os.environ["PATH"]})

    assert "secret" not in export
    assert typed.returncode == 0
    assert unnamed({"DATABASE_URL": "a", "REDIS_URL": "b"}, tmp_path) == {}


def test_the_remedies_for_a_stack_in_another_folder_find_it(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Whoever types them is where the doctor was asked, and no server is named in that shell."""
    folder = tmp_path / "the stack"
    folder.mkdir()
    state.publish(folder, state.State(1, 1, 1, "", database_url, redis_url))
    with connect(database_url) as sql:
        sql.execute("insert into cadence (name, ran_at, outcome) values ('slotbeat.reap', now(), 'failed')")

    _, told = doctor({"PATH": os.environ["PATH"]}, "--dir", str(folder))
    _, known = doctor({"PATH": os.environ["PATH"], "SLOTBEAT_DIR": str(folder)})

    assert f"$ slotbeat --dir '{folder}' worker\n" in told
    assert f"$ grep -F .failed '{folder}/logs'/worker*.log" in told
    assert "$ slotbeat worker\n" in known


def test_every_remedy_that_begins_with_slotbeat_is_a_command() -> None:
    folder = Path(examine.__file__).parent
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    named = set(re.findall(r"[\"']slotbeat ([a-z][\w-]*)", text))

    with root.make_context("slotbeat", [], resilient_parsing=True) as context:
        known = set(root.list_commands(context))
    assert named
    assert named - known == set()
