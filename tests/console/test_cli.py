"""The command line, as people use it: against a running server, and without one."""

import json
import os
import sys
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from console.cli import root
from tests.console.conftest import Api
from tests.console.test_api_firings import complete, run, say
from tests.running import Start
from tests.waiting import until


class Cli:
    """The command `slotbeat` with what it needs to find its server."""

    def __init__(self, environment: dict[str, str], folder: str) -> None:
        self.environment = {"SLOTBEAT_DIR": folder, **environment}

    def __call__(self, *words: str, exits: int = 0, stdin: str | None = None) -> Result:
        told = CliRunner().invoke(root, words, env=self.environment, input=stdin)
        assert told.exit_code == exits, (told.exit_code, told.output, told.exception)
        return told

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def cli(api: Api, tmp_path: Any) -> Cli:
    return Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))


@pytest.fixture
def alone(database_url: str, redis_url: str, tmp_path: Any) -> Cli:
    return Cli({"DATABASE_URL": database_url, "REDIS_URL": redis_url}, str(tmp_path))


def test_a_schedule_is_added_edited_paused_resumed_and_deleted(cli: Cli) -> None:
    cli("workspace", "add", "lab", "--cap", "3")

    added = cli("schedule", "add", "nightly", "-w", "lab", "--cron", "0 3 * * *", "--prompt", "go", "--", "sleep", "-1")
    assert added.stdout.startswith("lab/nightly runs in ")
    saved = cli.json("schedule", "show", "lab/nightly")
    assert (saved["target"]["argv"], saved["prompt"]) == (["sleep", "-1"], "go")

    cli("schedule", "edit", "nightly", "--max-turns", "9", "--lane", "model")
    cli("schedule", "edit", saved["id"], "--clear", "lane", "--", "true")
    edited = cli.json("schedule", "show", "nightly")
    assert (edited["max_turns"], edited["lane"], edited["target"]["argv"]) == (9, None, ["true"])

    paused = cli("schedule", "pause", "nightly", "-m", "too loud")
    assert "is paused by cli:" in paused.stdout
    assert "too loud" in paused.stdout
    assert "too loud (resumes in " in cli("schedule", "pause", "nightly", "--until", "2099-01-01T00:00:00Z").stdout
    assert cli.json("schedule", "list", "--status", "paused")[0]["name"] == "nightly"
    assert "runs in" in cli("schedule", "resume", "nightly").stdout
    cli("schedule", "delete", "lab/nightly")
    assert cli.json("schedule", "list") == []


def test_run_takes_what_is_different_for_the_one_firing(cli: Cli, api: Api) -> None:
    """MAN-1."""
    api.schedule(api.workspace())
    other = ("--prompt", "special", "--max-turns", "7", "--target", '{"argv": ["date"]}')

    made = cli("schedule", "run", "nightly", "--queue", *other).stdout.strip()
    wrong = cli("schedule", "run", "nightly", "--target", "[1]", exits=2)

    assert api.rows("select prompt, max_turns, target ->> 'argv' from firings") == [("special", 7, '["date"]')]
    assert cli.json("firing", "list")[0]["id"] == made
    assert wrong.stderr.count("\n") == 1


def test_run_prints_the_firing_and_at_the_cap_says_when_to_come_again(cli: Cli, api: Api) -> None:
    workspace = api.workspace()
    api.schedule(workspace)
    api.fill(workspace)

    full = cli("schedule", "run", "nightly", exits=4)
    queued = cli("schedule", "run", "nightly", "--queue")
    forced = cli("schedule", "run", "nightly", "--force")

    assert full.stderr.count("\n") == 1
    assert "--queue" in full.stderr
    assert "nobody can say when a slot will be free" in full.stderr
    assert "at the latest in 20 min." in full.stderr
    assert UUID(queued.stdout.strip())
    listed = {it["id"]: it["forced"] for it in cli.json("firing", "list", "--schedule", "nightly")}
    assert listed == {queued.stdout.strip(): False, forced.stdout.strip(): True}
    assert "nightly" in cli("slots").stdout


def test_run_and_wait_shows_what_it_says_and_exits_with_its_outcome(cli: Cli, api: Api, start: Start) -> None:
    api.schedule(api.workspace())
    waiting = start("python", "-m", "console.cli", "schedule", "run", "nightly", "--wait", env=cli.environment)
    [[firing]] = until(lambda: api.rows("select id::text from firings"))
    token = run(api, firing)
    say(api, firing, token, 2)
    assert until(lambda: waiting.says("line 2"))

    complete(api, firing, token)

    assert waiting.wait() == 0
    assert waiting.text.index("line 1") < waiting.text.index("line 2") < waiting.text.index("completed in ")


def test_a_firing_is_shown_followed_cancelled_and_repeated(cli: Cli, api: Api) -> None:
    first, second = api.fill(api.workspace())
    token = run(api, first)
    say(api, first, token, 3)
    api.rows("update firing_events set data = %s where seq = 3 returning seq", '{"text": "\\u001b[2Jgone"}')
    api.rows(
        "update firing_events set data = %s where seq = 2 returning 1", '{"type": "tool", "name": "read", "path": "a"}'
    )
    complete(api, first, token)

    logs = cli("firing", "logs", first)
    assert cli("firing", "logs", first, "-f").stdout == logs.stdout
    assert len(logs.stdout.splitlines()) == 3
    assert "\x1b" not in logs.stdout
    assert "\\x1b[2Jgone" in logs.stdout
    assert "read path a" in logs.stdout
    assert "completed" in cli("firing", "show", first).stdout
    assert cli("firing", "cancel", second).stdout == "cancelled\n"
    assert "completed" in cli("firing", "cancel", first, exits=4).stderr
    assert UUID(cli("firing", "rerun", first).stdout.strip())
    cli("firing", "show", "nonsense", exits=2)
    cli("firing", "show", "01890000-0000-7000-8000-000000000000", exits=3)


def test_names_are_found_and_what_is_not_unique_is_asked_back(cli: Cli, api: Api) -> None:
    lab, other = api.workspace("lab"), api.workspace("other")
    for place in (lab, other):
        api.schedule(place, "twice")
    api.schedule(lab, "a/b")

    assert cli("schedule", "show", "none", exits=3).stderr.startswith("slotbeat: There is no schedule none")
    assert "lab/twice" in cli("schedule", "show", "twice", exits=2).stderr
    assert cli.json("schedule", "show", "other/twice")["workspace"] == "other"
    assert cli.json("schedule", "show", "lab/a/b")["name"] == cli.json("schedule", "show", "a/b")["name"] == "a/b"
    cli("workspace", "edit", "none", "--cap", "1", exits=3)


def test_limits_and_settings_are_shown_and_set(cli: Cli, api: Api) -> None:
    api.workspace("lab")

    cli("limit", "set", "fleet", "5")
    cli("limit", "set", "workspace:lab", "1")
    cli("limit", "set", "lane:a model/b", "2")

    assert [it["cap"] for it in cli.json("limit", "list")] == [5, 2, 1]
    assert cli.json("settings", "max_concurrent")["value"] == 5
    cli("settings", "max_concurrent", "4")
    assert cli.json("limit", "list")[0]["cap"] == 4
    cli("limit", "remove", "lane:a model/b")
    cli("limit", "remove", "fleet", exits=4)
    cli("limit", "remove", "lane:none", exits=3)
    assert "cap takes 0 or more, not -1." in cli("limit", "set", "fleet", "-1", exits=2).stderr
    cli("limit", "set", "fleet", "many", exits=2)
    cli("settings", "dead_ticks", "2.5", exits=2)
    cli("settings", "reaper_enabled", "false")
    told = {tuple(it.split()[:2]) for it in cli("settings").stdout.splitlines()}
    assert {("lease_seconds", "60"), ("reaper_enabled", "false")} <= told
    assert cli.json("settings", "reaper_enabled") | {"meaning": ""} == {
        "key": "reaper_enabled",
        "value": False,
        "source": "table",
        "default": True,
        "meaning": "",
        "variable": "SLOTBEAT_REAPER_ENABLED",
    }


def test_bad_input_is_one_line_with_the_field_and_exit_2(cli: Cli, api: Api) -> None:
    api.workspace("lab")
    add = ("schedule", "add", "x", "-w", "lab")

    for words in (
        (*add, "--cron", "* * * * * *", "--", "true"),
        (*add, "--cron", "0 0 30 2 *", "--", "true"),
        (*add, "--cron", "0 0 * * *", "--timezone", "GMT+2", "--", "true"),
        (*add, "--cron", "0 0 * * *", "--max-turns", "0", "--", "true"),
        (*add, "--run-at", "2999-01-01T00:00:00", "--", "true"),
        (*add, "--cron", "0 0 * * *", "--missed", "all", "--", "true"),
        ("schedule", "add", "a\x1b[31mb", "-w", "lab", "--cron", "0 0 * * *", "--", "true"),
        ("workspace", "add", "lab\n"),
    ):
        told = cli(*words, exits=2)
        assert told.stderr.startswith("slotbeat: "), told.stderr
        assert told.stderr.count("\n") == 1
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_a_prompt_that_is_no_text_is_stored_as_it_can(cli: Cli, api: Api, tmp_path: Any) -> None:
    api.workspace("lab")
    (tmp_path / "prompt").write_bytes(b"a\x80b\xffc\x00")

    cli(
        "schedule", "add", "x", "-w", "lab", "--cron", "@daily", "--prompt-file", str(tmp_path / "prompt"), "--", "true"
    )
    cli("schedule", "add", "y", "-w", "lab", "--cron", "@daily", "--prompt", "a\udc80b", "--", "true")

    assert cli.json("schedule", "show", "x")["prompt"] == "a\ufffdb\ufffdc\ufffd"
    assert cli.json("schedule", "show", "y")["prompt"] == "a\ufffdb"


def test_without_a_server_the_work_is_done_in_this_process(alone: Cli) -> None:
    alone("workspace", "add", "lab")
    alone("schedule", "add", "nightly", "-w", "lab", "--cron", "0 3 * * *", "--", "sleep", "60")

    started = [alone("schedule", "run", "nightly").stdout.strip() for _ in range(2)]
    full = alone("schedule", "run", "nightly", exits=4)

    assert "full" in full.stderr
    assert {it["id"] for it in alone.json("firing", "list")} == set(started)
    alone("firing", "cancel", started[0])
    assert alone("firing", "logs", started[0], "-f").stdout == ""
    assert alone("demo", exits=1).stderr.startswith("slotbeat: The demo needs a running server")


def test_what_cannot_be_reached_is_one_line_with_a_remedy(tmp_path: Any, database_url: str) -> None:
    nowhere = Cli({}, str(tmp_path))
    dead = Cli({"SLOTBEAT_URL": "http://127.0.0.1:9"}, str(tmp_path))
    gone = database_url.rpartition("@")[0] + "@127.0.0.1:9/x"
    broken = Cli({"DATABASE_URL": gone, "REDIS_URL": "redis://127.0.0.1:9/0"}, str(tmp_path))
    half = Cli({"DATABASE_URL": database_url}, str(tmp_path))

    for cli, words in ((nowhere, "slotbeat up"), (dead, "slotbeat up"), (broken, "Postgres"), (half, "REDIS_URL")):
        told = cli("schedule", "list", exits=1)
        assert told.stderr.count("\n") == 1, told.stderr
        assert words in told.stderr
    secret = database_url.split(":")[2].partition("@")[0]
    assert secret not in broken("schedule", "list", exits=1).output
    assert "slotbeat --dir FOLDER doctor" in nowhere("doctor", exits=2).stderr
    no_address = {"DATABASE_URL": "sesame", "REDIS_URL": "redis://127.0.0.1:9/0"}
    told = Cli(no_address, str(tmp_path))("schedule", "list", exits=1).stderr
    assert (
        told == "slotbeat: DATABASE_URL is no address: write it as in postgresql://user:password@host:5432/database.\n"
    )
    told = Cli({**no_address, "DATABASE_URL": gone, "REDIS_URL": "sesame"}, str(tmp_path))("doctor", exits=2).stderr
    assert told.startswith("slotbeat: REDIS_URL is no address: write it as in redis://host:6379/0, or sentinel://")
    assert told.count("\n") == 1
    Cli({"SLOTBEAT_URL": "ftp://x"}, str(tmp_path))("schedule", "list", exits=2)


def test_a_terminal_that_is_too_narrow_breaks_lines_and_no_cells(cli: Cli, api: Api, start: Start) -> None:
    api.schedule(api.workspace("lab"), "a name of some length")

    program = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    listed = (sys.executable, "-m", "console.cli", "schedule", "list")
    drawn = start("python", "-c", program, *listed, env={**cli.environment, "COLUMNS": "60", "TERM": "xterm"})

    assert drawn.wait() == 0
    assert "lab/a name of some length" in drawn.text


def test_a_closed_standard_output_is_no_error(cli: Cli, start: Start) -> None:
    listed = start("sh", "-c", f"'{sys.executable}' -m console.cli limit list >&-", env=cli.environment)

    assert listed.wait() == 0, listed.text


def test_tables_are_aligned_text_in_pipes_and_help_needs_nothing_heavy(cli: Cli, api: Api, start: Start) -> None:
    workspace = api.workspace("lab")
    api.schedule(workspace, "b")
    api.schedule(workspace, "longer name")

    lines = cli("schedule", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "WHEN", "ZONE", "STATUS", "NEXT", "LAST", "RESULT", "ID"]
    assert len({line.index("UTC") for line in lines[1:]}) == 1
    assert "Did you mean schedule?" in cli("schedul", "list", exits=2).stderr
    program = "import sys; from console.cli import root; root(['--help'], standalone_mode=False);"
    program += "print(sorted({'fastapi', 'httpx', 'rich', 'celery', 'psycopg', 'redis'} & set(sys.modules)))"
    helped = start("python", "-c", program, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert helped.wait() == 0
    assert helped.text.endswith("[]\n")


def test_the_fronts_pass_their_options_on_and_the_api_goes_beyond_loopback_with_tokens_only(
    empty_database_url: str, redis_url: str, tmp_path: Any, start: Start
) -> None:
    fresh = {"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url}

    assert "migrations applied" in Cli(fresh, str(tmp_path))("migrate").stdout
    assert Cli(fresh, str(tmp_path))("migrate").stdout == "up to date\n"
    assert "DATABASE_URL is not set" in Cli({}, str(tmp_path))("migrate", exits=1).stderr
    for words in (("--host", "0.0.0.0"), ("--host=192.0.2.1",), ("--host", "example.com"), ("--host",)):
        told = Cli(fresh, str(tmp_path))("api", *words, exits=4).stderr
        assert "slotbeat token create NAME --scope admin" in told, words
    # Somebody who reads the help has no servers yet.
    helped = start("python", "-m", "console.cli", "worker", "--help", env={"DATABASE_URL": "", "REDIS_URL": ""})
    assert helped.wait(20) == 0
    assert "--concurrency" in helped.text
