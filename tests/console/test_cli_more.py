"""The command line beyond schedules: budgets, targets that are called, watching, completion, long listings."""

import signal
from typing import Any

import pytest

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


def test_a_listing_goes_on_beyond_a_page_of_the_api(cli: Cli, api: Api) -> None:
    for at in range(205):
        api.ask("PUT", f"/api/limits/lane:{at:03}", json={"cap": 1})
    for at in range(203):
        api.ask("PUT", f"/api/interactive-streams/s{at:03}", json={})

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
    asked = {
        "COMP_WORDS": "slotbeat sched",
        "COMP_CWORD": "sched" if shell == "fish" else "1",
        "_SLOTBEAT_COMPLETE": f"{shell}_complete",
    }

    told = start("python", "-m", "console.cli", env={**cli.environment, **asked})

    assert told.wait(20) == 0
    assert "schedule" in told.text
