"""The command line beyond schedules: budgets, targets that are called, watching, completion, long listings."""

import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
import pytest
from click.testing import CliRunner

from console.cli import root
from shared.pressure import Pressure
from shared.settings import addresses
from tests.console.conftest import Api
from tests.console.test_cli import Cli
from tests.running import Start
from tests.waiting import until


@pytest.fixture
def cli(api: Api, tmp_path: Any) -> Cli:
    return Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))


def test_budgets_are_set_listed_and_removed(cli: Cli, api: Api) -> None:
    lab = api.workspace("lab")

    assert (
        "fleet: turns 0 of 100, micros 0 of 5000000"
        in cli("budget", "set", "fleet", "--turns", "100", "--micros", "5000000").stdout
    )
    cli("budget", "set", "workspace:lab", "--tokens", "7")

    listed = {it["key"]: (it["turns"], it["tokens"], it["micros"]) for it in cli.json("budget", "list")}
    assert listed == {"fleet": (100, None, 5_000_000), f"workspace:{lab}": (None, 7, None)}
    assert "0 of 100" in cli("budget", "list").stdout
    cli("budget", "remove", "fleet")
    assert [it["key"] for it in cli.json("budget", "list")] == [f"workspace:{lab}"]
    assert cli("budget", "remove", "fleet", exits=3).stderr.count("\n") == 1
    assert "turns, tokens or micros" in cli("budget", "set", "fleet", exits=2).stderr


def test_schedules_that_call_and_that_are_checked_are_added(cli: Cli, api: Api) -> None:
    api.workspace("lab")
    add = ("schedule", "add")
    where = ("-w", "lab", "--cron", "0 3 * * *")

    called = ("--http", "https://example.com/run", "--header", "X-A=b", "--body", '{"k": 1}', "--timeout-s", "9")
    cli(*add, "called", *where, *called)
    cli(*add, "checked", *where, "--success-command", "grep -q 'all done'", "--", "true")
    cli(*add, "matched", *where, "--success-pattern", "(?m)^done$", "--", "true")

    made = {it["name"]: it for it in cli.json("schedule", "list")}
    target = made["called"]["target"]
    assert {name: target[name] for name in ("kind", "url", "headers", "body", "timeout_s")} == {
        "kind": "http", "url": "https://example.com/run", "headers": {"X-A": "b"}, "body": {"k": 1}, "timeout_s": 9,
    }  # fmt: skip
    assert made["checked"]["success_check"] == {"argv": ["grep", "-q", "all done"]}
    assert made["matched"]["success_check"] == {"pattern": "(?m)^done$"}
    cli("schedule", "edit", "checked", "--success-command", "")
    assert cli.json("schedule", "show", "checked")["success_check"] is None


def test_a_listing_goes_on_beyond_a_page_of_the_api(cli: Cli, api: Api, redis_url: str) -> None:
    api.rows("""
        with made as (insert into limits (key, cap, updated_by)
                      select 'lane:' || to_char(n, 'FM000'), 1, 'me' from generate_series(0, 204) as n returning key)
        insert into slots (limit_key, number) select key, 1 from made returning number
        """)
    where = addresses({"DATABASE_URL": api.database_url, "REDIS_URL": redis_url})
    with closing(Pressure(where.redis_url, where.namespace)) as pressure:
        for at in range(203):
            pressure.hold(f"s{at:03}", None, 60_000)

    assert [it["key"] for it in cli.json("limit", "list")] == ["fleet", *(f"lane:{at:03}" for at in range(205))]
    assert len(cli.json("stream", "list")) == 203
    first = api.get("/api/limits", params={"limit": 200})
    assert (len(first["items"]), first["next_cursor"] is None) == (200, False)


def test_a_listing_is_watched_until_ctrl_c(cli: Cli, start: Start) -> None:
    watched = start("python", "-m", "console.cli", "slots", "--watch", env=cli.environment)

    until(lambda: watched.text.count("LIMIT") >= 2)
    watched.send(signal.SIGINT)

    assert watched.wait(20) == 0
    assert "Traceback" not in watched.text
    assert "Aborted" not in watched.text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(cli: Cli, start: Start, shell: str) -> None:
    assert "_SLOTBEAT_COMPLETE" in cli("completion", shell).stdout
    assert "Choose from: bash, zsh, fish. See" in cli("completion", exits=2).stderr
    asked = {
        "COMP_WORDS": "slotbeat sched",
        "COMP_CWORD": "sched" if shell == "fish" else "1",
        "_SLOTBEAT_COMPLETE": f"{shell}_complete",
    }

    told = start("python", "-m", "console.cli", env={**cli.environment, **asked})

    assert told.wait(20) == 0
    assert "schedule" in told.text


def test_firings_are_listed_by_reason_and_since_when(cli: Cli, api: Api) -> None:
    first, second = api.fill(api.workspace())
    cli("firing", "cancel", first)
    api.rows("update firings set queued_at = now() - interval '3 hours' where id = %s returning 1", second)

    def listed(*words: str) -> set[str]:
        return {it["id"] for it in cli.json("firing", "list", *words)}

    assert listed("--reason", "cancelled") == listed("--since", "2h") == listed("--since", "90 min ago") == {first}
    assert listed("--since", "1d") == listed("--since", "2001-01-01T00:00:00Z") == {first, second}
    assert listed("--reason", "oom") == listed("--since", "1s", "--status", "running") == set()
    for words in (("--since", "yesterday"), ("--since", "2026-01-01T00:00:00"), ("--reason", "because")):
        told = cli("firing", "list", *words, exits=2).stderr
        assert told.count("\n") == 1, told


def test_names_of_schedules_and_workspaces_are_completed_and_nothing_is_said_where_none_answers(
    cli: Cli, api: Api, tmp_path: Any
) -> None:
    lab, other = api.workspace("lab"), api.workspace("lab two")
    for place, name in ((lab, "nightly"), (lab, "twice"), (other, "twice")):
        api.schedule(place, name)

    def completed(begun: str, *words: str, at: str = "") -> list[str]:
        typed = " ".join(["slotbeat", *words, begun])
        env = {**cli.environment, "SLOTBEAT_URL": at or cli.environment["SLOTBEAT_URL"]}
        asked = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) + 1), "_SLOTBEAT_COMPLETE": "bash_complete"}
        told = CliRunner().invoke(root, [], env={**env, **asked}, prog_name="slotbeat")
        assert (told.exit_code, told.stderr) == (0, "")
        return [it.removeprefix("plain,") for it in told.stdout.split("\n") if it]

    assert completed("n", "schedule", "pause") == ["nightly"]
    assert completed("", "schedule", "run") == ["nightly", "lab two/twice", "lab/twice"]
    assert completed("lab/", "why") == ["lab/nightly", "lab/twice"]
    assert completed("lab", "schedule", "list", "-w") == completed("lab", "workspace", "show") == ["lab", "lab two"]
    assert completed("n", "schedule", "pause", at="http://127.0.0.1:9") == []
    assert completed("n", "schedule", "pause", at="nonsense") == []


def test_help_says_what_each_policy_does(cli: Cli) -> None:
    told = " ".join(cli("schedule", "add", "--help").stdout.split())

    assert "While one of it still runs: skip the next" in told
    assert "Of what came while nobody was up, run the latest" in told
    assert "asks at its times whether there is work" in told
    assert told.index("--cron") < told.index("--prompt") < told.index("--max-turns") < told.index("--http")


def test_what_is_done_is_told_to_programs_too(cli: Cli, api: Api) -> None:
    workspace = api.workspace()
    api.schedule(workspace)
    first, _ = api.fill(workspace)

    assert cli.json("schedule", "pause", "nightly")["status"] == "paused"
    assert cli.json("schedule", "resume", "nightly")["status"] == "active"
    assert cli.json("limit", "set", "lane:model", "3")["cap"] == 3
    assert cli.json("firing", "cancel", first)["answer"] == "cancelled"
    assert cli.json("firing", "rerun", first, "--queue")["forced"] is False


def test_every_option_says_what_it_is_for_and_every_listing_speaks_json() -> None:
    silent: list[str] = []
    for path, command in commands(root, "slotbeat"):
        silent += [f"{path} {it.opts[0]}" for it in command.params if isinstance(it, click.Option) and not it.help]
        if path.endswith((" list", " show", " slots", " forecast", " settings", " history", " doctor")):
            silent += [] if any("--json" in it.opts for it in command.params) else [f"{path} --json"]

    assert silent == []


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}") if isinstance(found, click.Group) else [(f"{path} {name}", found)]


def test_debug_may_stand_behind_the_command_but_what_a_payload_is_told_is_its_own(
    api: Api, cli: Cli, start: Start
) -> None:
    api.workspace("lab")
    add = ["schedule", "add", "loud", "-w", "lab", "--cron", "0 3 * * *", "--", "echo", "--debug"]

    added = start("python", "-m", "console.cli", *add, env=cli.environment)
    assert added.wait(30) == 0, added.text
    shown = start("python", "-m", "console.cli", "schedule", "show", "loud", "--debug", env=cli.environment)

    assert shown.wait(30) == 0, shown.text
    assert cli.json("schedule", "show", "loud")["target"]["argv"] == ["echo", "--debug"]
