"""The catalogue of bad schedules, entry by entry: status, field, code and remedy, by the API and the command line.

Everything is asked once, of one server; each entry is a test of its own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from console.cli import root
from console.local.servers import Servers
from tests.console.conftest import api_at, form
from tests.databases import numbers, redis_databases, run_admin, with_database
from tests.rules.test_cron_text import REFUSED as CRONS

ZONES = [
    ("GMT+2", "timezone_offset", "Etc/GMT-2"),
    ("UTC+2", "timezone_offset", "Etc/GMT-2"),
    ("+02:00", "timezone_offset", "Etc/GMT-2"),
    ("Z", "timezone_unknown", "IANA"),
    ("local", "timezone_unknown", "IANA"),
    ("localtime", "timezone_unsupported", "IANA"),
    ("posixrules", "timezone_unsupported", "IANA"),
    ("Factory", "timezone_unsupported", "IANA"),
    ("right/UTC", "timezone_unsupported", "IANA"),
    ("posix/UTC", "timezone_unsupported", "IANA"),
    ("", "timezone_empty", "IANA"),
    ("  ", "timezone_empty", "IANA"),
    ("Europe", "timezone_unknown", "IANA"),
    ("../../etc/passwd", "timezone_unknown", "IANA"),
    ("UTC\x00", "timezone_unknown", r"\x00"),
    ("x" * 100_000, "timezone_unknown", "IANA"),
]
LOW, HIGH, NO_INT, NO_TEXT = "greater_than_equal", "less_than_equal", "int_type", "string_type"
FIELDS: list[tuple[str, Any, str, str]] = [
    # 8.1 and 8.2, of other types than text
    ("cron", None, "cron_missing", "five fields"), ("cron", 5, NO_TEXT, "string"), ("cron", True, NO_TEXT, "string"),
    ("cron", ["* * * * *"], NO_TEXT, "string"), ("timezone", None, NO_TEXT, "string"),
    ("timezone", 5, NO_TEXT, "string"), ("cron", "0 0 * * \ud800", "string_unicode", "unicode"),
    ("timezone", "\ud800", "string_unicode", "unicode"),
    # 8.3, numbers 65 to 70: numbers
    ("max_run_seconds", 0, LOW, "1"), ("max_run_seconds", -5, LOW, "1"), ("max_run_seconds", 10**9, HIGH, "86400"),
    ("max_turns", 0, LOW, "1"), ("max_turns", -1, LOW, "1"), ("max_turns", True, NO_INT, "integer"),
    ("max_turns", 10**6, HIGH, "1000"), ("max_turns", 2.5, NO_INT, "integer"), ("max_turns", "2", NO_INT, "integer"),
    ("priority", -1, LOW, "0"), ("priority", 10, HIGH, "9"), ("priority", True, NO_INT, "integer"),
    ("remaining_runs", 0, LOW, "1"), ("remaining_runs", 2**31, HIGH, "2147483647"),
    ("budget_tokens", 2**63, HIGH, "9223372036854775807"), ("jitter_s", -1, LOW, "0"),
    ("jitter_s", 86_401, HIGH, "86400"), ("start_deadline_s", 0, LOW, "1"),
    ("max_attempts", 21, HIGH, "20"), ("retry_backoff_s", -1, LOW, "0"),
    # 71 to 74: moments
    ("start_at", "2001-01-01T00:00:00Z", "start_at_past", "leave it out"),
    ("start_at", "2999-01-01T00:00:00", "instant_needs_offset", "needs an offset"),
    ("start_at", "2999-01-01", "instant_needs_offset", "needs an offset"),
    ("start_at", "infinity", "instant", "no moment"), ("start_at", "10000-01-01T00:00:00Z", "instant", "no moment"),
    ("start_at", "2999-02-30T00:00:00Z", "instant", "no moment"), ("start_at", 5, "instant", "no moment"),
    ("end_at", "2001-01-01T00:00:00Z", "no_occurrence", "later"),
    # 76, 78, 79: ids and names
    ("workspace_id", "../1", "uuid_parsing", "UUID"), ("workspace_id", "1;drop", "uuid_parsing", "UUID"),
    ("workspace_id", "01890000-0000-7000-8000-000000000000", "workspace_unknown", "/api/workspaces"),
    ("name", "a\x00b", "name_characters", "take them out"), ("name", "a\u202eb", "name_characters", "take them out"),
    ("name", "a\u200bb", "name_characters", "take them out"), ("name", "a\nb", "name_characters", "take them out"),
    ("name", "", "name_length", "1 to 200"), ("name", "😀" * 201, "name_length", "1 to 200"),
    ("name", None, NO_TEXT, "string"),
    # 8.4, number 86 and what policies allow
    ("crom", "* * * * *", "unknown_field", "Did you mean cron?"), ("kind", "cron", "literal_error", "once"),
    ("overlap", "never", "literal_error", "queue_one"), ("missed", "most", "literal_error", "latest"),
    ("missed", "all", "missed_needs_overlap", "queue_all or allow"),
]  # fmt: skip
CATALOGUE: list[tuple[str, Any, str, str]] = [
    *(("cron", text, code, says) for text, code, says in CRONS if isinstance(text, str) and "\ud800" not in text),
    *(("timezone", *it) for it in ZONES),
    *FIELDS,
]
IN_WORDS = [(field, value, says) for field, value, _, says in CATALOGUE[: len(CATALOGUE) - len(FIELDS)]]


@dataclass(frozen=True)
class Told:
    """Every answer, in the order of the catalogue, and how many schedules there were in the end."""

    answers: list[tuple[int, str, dict[str, Any]]]
    commands: list[tuple[int, str]]
    schedules: int


@pytest.fixture(scope="module")
def told(servers: Servers, database_template: str) -> Iterator[Told]:
    name = f"bad_schedules_{next(numbers)}"
    run_admin(servers, "create database {} template {}", name, database_template)
    redis_url = with_database(servers.redis_url, next(redis_databases))
    with api_at(with_database(servers.database_url, name), redis_url) as api:
        workspace = api.workspace()
        answers = []
        for field, value, _, _ in CATALOGUE:
            # Escaped by us: a lone surrogate is nothing that a client would send as it is.
            body = json.dumps(form(workspace, **{field: value}))
            answer = api.ask("POST", "/api/schedules", content=body, headers={"Content-Type": "application/json"})
            answers.append((answer.status_code, answer.headers["Content-Type"], answer.json()))
        env = {"SLOTBEAT_URL": str(api.client.base_url)}
        commands = [add(env, field, value) for field, value, _ in IN_WORDS]
        [(left,)] = api.rows("select count(*) from schedules")
    yield Told(answers, commands, left)
    run_admin(servers, "drop database {} with (force)", name)


def add(env: dict[str, str], field: str, value: str) -> tuple[int, str]:
    given = {"cron": "0 3 * * *", field: value}
    words = [
        "schedule",
        "add",
        "nightly",
        "-w",
        "here",
        *(f"--{name}={it}" for name, it in given.items()),
        "--",
        "true",
    ]
    done = CliRunner().invoke(root, words, env=env)
    return done.exit_code, done.stderr


@pytest.mark.parametrize("number", range(len(CATALOGUE)), ids=lambda it: f"{CATALOGUE[it][0]}-{CATALOGUE[it][1]!r:.30}")
def test_a_bad_schedule_is_refused_with_its_field_a_code_and_a_remedy(told: Told, number: int) -> None:
    field, _, code, says = CATALOGUE[number]
    status, kind, problem = told.answers[number]

    assert (status, kind, problem["error"]) == (422, "application/problem+json", "invalid"), problem
    [wrong] = problem["errors"]
    assert (wrong["field"], wrong["code"]) == (field, code), wrong
    assert says in wrong["message"]
    assert wrong["message"] in problem["detail"]


def test_the_command_line_says_the_same_in_one_line(told: Told) -> None:
    wrong = [
        (field, value[:40], exit_code, line)
        for (field, value, says), (exit_code, line) in zip(IN_WORDS, told.commands, strict=True)
        if exit_code != 2 or says not in line or not line.startswith("slotbeat: ") or line.count("\n") != 1
    ]

    assert wrong == []


def test_none_of_them_left_a_row(told: Told) -> None:
    assert told.schedules == 0
    assert len(told.answers) > 130
