"""Schedules from a file: applied, twice as once, shown before; exported, copied, skipped once; histories (MAN-7)."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.console.conftest import Api
from tests.console.test_cli import Cli

FILE = """
schedules:
- workspace: lab
  name: nightly
  cron: 0 3 * * *
  timezone: Europe/Berlin
  max_turns: 40
  prompt: |
    Read the news.
    Tell me: no?
  target: {kind: command, argv: [agent, "12:30", "on"]}
- workspace: lab
  name: once
  kind: once
  run_at: 2099-03-29T02:30:00+02:00
  lane: no
  target:
    kind: command
    argv: ["true"]
"""


@pytest.fixture
def cli(api: Api, tmp_path: Any) -> Cli:
    return Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schedules.yaml"
    path.write_text(FILE)
    return path


def test_a_file_is_applied_once_and_then_only_what_differs(cli: Cli, api: Api, file: Path) -> None:
    api.workspace("lab")

    tried = cli("schedule", "apply", str(file), "--dry-run")
    assert tried.stdout.splitlines() == [
        "+ lab/nightly", "+ lab/once",
        "2 to add, 0 to edit, 0 to delete, 0 as they are; nothing was changed (--dry-run)",
    ]  # fmt: skip
    assert cli.json("schedule", "list") == []
    cli("schedule", "apply", str(file))
    made = {it["name"]: it for it in cli.json("schedule", "list")}
    assert made["nightly"]["prompt"] == "Read the news.\nTell me: no?\n"
    assert made["nightly"]["target"]["argv"] == ["agent", "12:30", "on"]
    assert (made["once"]["run_at"], made["once"]["lane"]) == ("2099-03-29T00:30:00Z", "no")

    assert "2 as they are" in cli("schedule", "apply", str(file)).stdout
    assert {it["revision"] for it in cli.json("schedule", "list")} == {1}
    file.write_text(FILE.replace("max_turns: 40", "max_turns: 50").replace("  timezone: Europe/Berlin\n", ""))
    edited = cli("schedule", "apply", "-", stdin=file.read_text()).stdout
    assert edited.splitlines()[:3] == [
        "~ lab/nightly",
        '    timezone: "Europe/Berlin" -> "UTC"',
        "    max_turns: 40 -> 50",
    ]
    assert cli.json("schedule", "show", "nightly")["timezone"] == "UTC"


def test_what_a_file_leaves_out_is_deleted_only_when_asked_and_only_in_its_workspaces(
    cli: Cli, api: Api, file: Path
) -> None:
    lab, other = api.workspace("lab"), api.workspace("other")
    api.schedule(lab, "extra")
    api.schedule(other, "elsewhere")

    cli("schedule", "apply", str(file))
    assert len(cli.json("schedule", "list")) == 4
    told = json.loads(cli("schedule", "apply", str(file), "--prune", "--json").stdout)

    assert told["changes"] == [{"change": "delete", "schedule": "lab/extra", "fields": {}}]
    assert sorted(it["name"] for it in cli.json("schedule", "list")) == ["elsewhere", "nightly", "once"]


@pytest.mark.parametrize(
    ("written", "exits", "says"),
    [
        ("schedules: [", 2, "line 1"),
        ("- x", 2, "schedules:"),
        ("schedules:\n- {workspace: lab}", 2, "needs workspace: and name:"),
        (FILE + FILE.partition("schedules:")[2], 2, "lab/nightly is there twice"),
        (FILE.replace("  cron:", "  name: b\n  cron:"), 2, "given twice"),
        (FILE.replace("max_turns: 40", "max_turn: 40"), 2, "There is no field max_turn. Did you mean max_turns?"),
        (FILE.replace("max_turns: 40", "max_turns: true"), 2, "lab/nightly: max_turns"),
        (FILE.replace("max_turns: 40", "max_turns: 4.5"), 2, "lab/nightly: max_turns"),
        (FILE.replace("0 3 * * *", "0 3 31 2 *"), 2, "lab/nightly"),
        (FILE.replace("max_turns: 40", "workspace_id: x"), 2, "Write workspace: and its name."),
        (FILE.replace("lab", "nowhere"), 4, "slotbeat workspace add 'nowhere'"),
        ("schedules: !!python/object/apply:os.system [x]", 2, "could not determine a constructor"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
        ), 2, "schedules:"),
        ("schedules:\n- workspace: lab\n  name: x\n  target: &a {a: [&b [1,1,1,1,1,1,1,1,1,1], *b, *b]}\n"
         "  prompt: [" + ",".join(["[" + ",".join(["*a"] * 100) + "]"] * 100) + "]", 2, "more than 200000 values"),
        ("\0", 2, "special characters are not allowed"),
        ("schedules: " + "[" * 5000, 2, "YAML"),
    ],
)  # fmt: skip
def test_a_file_with_a_mistake_changes_nothing(
    cli: Cli, api: Api, file: Path, written: str, exits: int, says: str
) -> None:
    api.workspace("lab")
    file.write_text(written)

    told = cli("schedule", "apply", str(file), exits=exits)

    assert says in told.stderr
    assert told.stderr.count("\n") == 1
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_what_is_exported_is_applied_elsewhere_as_it_was(cli: Cli, api: Api, file: Path) -> None:
    lab, other = api.workspace("lab"), api.workspace("other")
    odd = {"name": "yes", "prompt": "2026-03-29\n  - a: b # c\n\ttab", "lane": "1e5", "cron": "*/5 * * * *"}
    api.schedule(lab, jitter_s=5, success_check={"pattern": "a\\d: 'x'"}, **odd)
    api.schedule(lab, "plain")
    before = cli.json("schedule", "list")

    text = cli("schedule", "export", "-w", "lab").stdout
    assert {"workspace", "name", "cron", "target"} == set(yaml.safe_load(text)["schedules"][0])
    file.write_text(text.replace("workspace: lab", "workspace: other"))
    cli("schedule", "apply", str(file))
    assert "2 as they are" in cli("schedule", "apply", "-", stdin=text).stdout
    cli("schedule", "copy", "lab/plain", "plain 2")

    same = ("prompt", "target", "lane", "cron", "success_check", "jitter_s", "timezone", "overlap")
    there = {it["name"]: it for it in cli.json("schedule", "list") if it["workspace_id"] == other}
    assert [[it[name] for name in same] for it in before] == [
        [there[it["name"]][name] for name in same] for it in before
    ]
    copied, plain = cli.json("schedule", "show", "plain 2"), cli.json("schedule", "show", "lab/plain")
    assert [copied[name] for name in same] == [plain[name] for name in same]


FEW = "- {workspace: lab, name: few, cron: 0 3 * * *, remaining_runs: 9, target: {kind: command, argv: [a]}}\n"
GONE = "update schedules set status = 'archived', next_run_at = null where status = 'active'"


def test_a_single_run_that_is_over_stands_in_no_applys_way(cli: Cli, api: Api, file: Path) -> None:
    api.workspace("lab")
    cli("schedule", "apply", str(file))
    api.rows(f"{GONE} and name = 'once' returning 1")
    file.write_text(FILE.replace("2099", "2026"))

    assert cli("schedule", "apply", str(file)).stdout.splitlines() == [
        "= lab/once has ended; with other times it would be added anew",
        "0 to add, 0 to edit, 0 to delete, 1 as they are",
    ]
    assert json.loads(cli("schedule", "apply", str(file), "--json").stdout)["changes"] == []
    assert [it["name"] for it in cli.json("schedule", "list")] == ["nightly"]
    file.write_text(FILE)
    assert "+ lab/once" in cli("schedule", "apply", str(file)).stdout
    api.rows(f"{GONE} and name = 'nightly' returning 1")
    assert "+ lab/nightly" in cli("schedule", "apply", str(file)).stdout  # somebody had deleted it


def test_runs_that_are_counted_down_begin_anew_with_no_apply(cli: Cli, api: Api, file: Path) -> None:
    api.workspace("lab")
    file.write_text("schedules:\n" + FEW)

    def applied(text: str = FEW) -> list[str]:
        file.write_text("schedules:\n" + text)
        return cli("schedule", "apply", str(file)).stdout.splitlines()

    applied()
    api.rows("update schedules set remaining_runs = 6 returning 1")
    assert "1 as they are" in applied()[0]
    assert cli.json("schedule", "show", "few")["remaining_runs"] == 6
    assert applied(FEW.replace(" remaining_runs: 9,", ""))[1].strip() == "remaining_runs: 6 -> -"
    assert applied()[1].strip() == "remaining_runs: - -> 9"
    api.rows(f"{GONE} returning 1")
    assert applied()[0] == "+ lab/few"  # somebody had deleted it
    api.rows(GONE.replace(" where", ", remaining_runs = 0 where") + " returning 1")
    assert applied()[0].startswith("= lab/few has ended")
    assert cli.json("schedule", "list") == []
    assert applied(FEW.replace("[a]", "[b]"))[0] == "+ lab/few"
    api.rows(f"{GONE} returning 1")
    assert applied(FEW.replace(" remaining_runs: 9,", ""))[0] == "+ lab/few"


def test_a_time_that_passed_where_nothing_ever_ran_is_a_mistake(cli: Cli, api: Api, file: Path) -> None:
    api.workspace("lab")
    file.write_text(FILE.replace("2099", "2026"))

    assert "run_at has passed" in cli("schedule", "apply", str(file), exits=2).stderr
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_an_edit_shows_in_the_history_and_a_skip_beside_the_next_time(cli: Cli, api: Api) -> None:
    api.schedule(api.workspace("lab"))
    cli("schedule", "edit", "nightly", "--max-turns", "9")
    cli("schedule", "edit", "nightly", "--max-turns", "12", "--lane", "model")

    told = cli("schedule", "history", "nightly").stdout.splitlines()
    assert [it.strip() for it in told if "->" in it] == [
        'lane: - -> "model"',
        "max_turns: 9 -> 12",
        "max_turns: - -> 9",
    ]
    assert [it["revision"] for it in cli.json("schedule", "history", "nightly")] == [3, 2]
    assert "skips 20" in cli("schedule", "skip-next", "nightly").stdout
    assert cli.json("schedule", "show", "nightly")["skip_next_at"] is not None
    assert "runs in" in cli("schedule", "skip-next", "nightly", "--undo").stdout
    assert cli.json("schedule", "show", "nightly")["skip_next_at"] is None
