"""The catalogue of bad input: each entry by its number, what is sent, and what must come back.

The numbers are those of the study from which it was made; some are missing, for what they asked became one entry.
"""

from typing import Any

from tests.rules.test_cron_text import REFUSED as CRON_RULES

# Number, field, value, code, and what the answer must say.
Entry = tuple[int, str, Any, str, str]

CRONS: dict[int, list[Any]] = {
    1: ["0 0 31 2 *"], 2: ["0 0 30 2 *"], 3: ["0 0 31 4,6,9,11 *"], 8: ["* * * * * *", "*/5 * * * * *"],
    9: ["0 0 * * * 0 2099"], 11: ["0 12 * * 1-5 2099"], 12: ["R R * * *", "0 R * * *"],
    13: ["H H * * *", "H(0-29)/10 * * * *"], 14: ["*/100000 * * * *", "*/" + "9" * 60 + " * * * *"],
    15: ["*/60 * * * *", "0 */24 * * *", "0 0 * * */7"],
    21: ["0 0 5L * *", "0 0 LW * *", "0 0 L-3 * *", "0 0 1W,15W * *", "0 0 * * 5#6", "0 0 * * 5L", "0 0 * * 1,5#2"],
    23: ["@reboot", "@every 5m"],
    24: ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "1-70 * * * *"],
    25: ["-1 * * * *"], 26: ["*/0 * * * *", "* * * * * */0"],
    27: ["", "   \n", "*", "* * * *", "null"],
    28: ["0,,5 * * * *", "0 ,* * * *", "0, * * * *", "1.5 * * * *", "1e1 * * * *", "+5 * * * *", "0x5 * * * *",
         "5_0 * * * *", "% * * * *", "0 0 * * MONDAY"],
    29: ["٣ * * * *", "５ * * * *"], 31: ["0 0 * * *\x00"],
    32: ["TZ=Europe/Paris 0 0 * * *", "CRON_TZ=UTC 0 0 * * *"], 34: ["0-59/1," * 5000 + "0 * * * *"],
    35: ["5" * 21 + " * * * *"], 36: ["* * * * *; rm -rf /", "<script> * * * *", "' OR 1=1; --"],
}  # fmt: skip
IANA = "IANA"
ZONES: list[Entry] = [
    (40, "timezone", "GMT+2", "timezone_offset", "Etc/GMT-2"),
    (40, "timezone", "+02:00", "timezone_offset", "Etc/GMT-2"),
    (40, "timezone", "Z", "timezone_unknown", IANA), (40, "timezone", "local", "timezone_unknown", IANA),
    (42, "timezone", "localtime", "timezone_unsupported", IANA),
    (42, "timezone", "posixrules", "timezone_unsupported", IANA),
    (42, "timezone", "Factory", "timezone_unsupported", IANA),
    (42, "timezone", "right/UTC", "timezone_unsupported", IANA),
    (42, "timezone", "posix/UTC", "timezone_unsupported", IANA), (44, "timezone", "", "timezone_empty", IANA),
    (44, "timezone", "  ", "timezone_empty", IANA), (44, "timezone", "Europe", "timezone_unknown", IANA),
    (44, "timezone", "../../etc/passwd", "timezone_unknown", IANA),
    (44, "timezone", "UTC\x00", "timezone_unknown", r"\x00"), (44, "timezone", "x" * 100_000, "timezone_unknown", IANA),
]  # fmt: skip
LOW, HIGH, NO_INT, NO_TEXT = "greater_than_equal", "less_than_equal", "int_type", "string_type"
NO_MOMENT, NO_OFFSET, NO_CHARACTERS = "is no moment", "needs an offset", "take them out"
MIXED: list[Entry] = [
    (27, "cron", None, "cron_missing", "five fields"), (27, "cron", 5, NO_TEXT, "needs a text"),
    (27, "cron", True, NO_TEXT, "needs a text"), (27, "cron", ["* * * * *"], NO_TEXT, "needs a text"),
    (31, "cron", "0 0 * * \ud800", "string_unicode", "take it out"), (44, "timezone", None, NO_TEXT, "needs a text"),
    (44, "timezone", 5, NO_TEXT, "needs a text"), (44, "timezone", "\ud800", "string_unicode", "take it out"),
    (51, "name", "a\x00b", "name_characters", NO_CHARACTERS), (51, "lane", "a\x00b", "name_characters", NO_CHARACTERS),
    (60, "prompt", "x" * 262_145, "prompt_length", "256 KiB"),
    (60, "prompt", "€" * 100_000, "prompt_length", "256 KiB"),
    (68, "max_run_seconds", 0, LOW, "takes 1 or more, not 0"), (68, "max_run_seconds", -5, LOW, "not -5"),
    (68, "max_run_seconds", 10**9, HIGH, "takes 86400 or less"), (68, "max_run_seconds", 1.5, NO_INT, "whole number"),
    (69, "max_turns", 0, LOW, "takes 1 or more"), (69, "max_turns", -1, LOW, "not -1"),
    (69, "max_turns", True, NO_INT, "whole number"), (69, "max_turns", 10**6, HIGH, "takes 1000 or less"),
    (69, "max_turns", 2.5, NO_INT, "whole number"), (69, "max_turns", "2", NO_INT, "whole number"),
    (70, "priority", -1, LOW, "takes 0 or more"), (70, "priority", 10, HIGH, "takes 9 or less"),
    (70, "priority", True, NO_INT, "whole number"), (70, "priority", None, NO_INT, "whole number"),
    (70, "remaining_runs", 0, LOW, "takes 1 or more"), (70, "remaining_runs", 2**31, HIGH, "takes 2147483647 or less"),
    (70, "budget_tokens", 2**63, HIGH, "9223372036854775807"), (70, "budget_turns", 2**63, HIGH, "2147483647"),
    (70, "jitter_s", -1, LOW, "takes 0"), (70, "jitter_s", 86_401, HIGH, "takes 86400 or less"),
    (70, "start_deadline_s", 0, LOW, "takes 1"), (70, "max_attempts", 0, LOW, "takes 1"),
    (70, "max_attempts", 21, HIGH, "takes 20 or less"), (70, "retry_backoff_s", -1, LOW, "takes 0"),
    (70, "alert_after_s", 0, LOW, "takes 1"), (70, "daily_turn_budget", "٣", NO_INT, "whole number"),
    (71, "start_at", "2001-01-01T00:00:00Z", "start_at_past", "leave it out"),
    (71, "end_at", "2001-01-01T00:00:00Z", "no_occurrence", "later"),
    (73, "start_at", "2999-01-01T00:00:00", "instant_needs_offset", NO_OFFSET),
    (73, "start_at", "2999-01-01", "instant_needs_offset", NO_OFFSET),
    (74, "start_at", "infinity", "instant", NO_MOMENT), (74, "start_at", "10000-01-01T00:00:00Z", "instant", NO_MOMENT),
    (74, "start_at", "9999-12-31T23:59:59-12:00", "instant", NO_MOMENT),
    (74, "start_at", "2999-02-30T00:00:00Z", "instant", NO_MOMENT), (74, "start_at", 5, "instant", NO_MOMENT),
    (74, "start_at", True, "instant", NO_MOMENT), (74, "start_at", "tomorrow", "instant", NO_MOMENT),
    (76, "workspace_id", "../1", "uuid_parsing", "needs an id"), (76, "workspace_id", -1, "uuid_type", "needs an id"),
    (76, "workspace_id", "1;drop", "uuid_parsing", "needs an id"),
    (76, "workspace_id", "01890000-0000-7000-8000-000000000000", "workspace_unknown", "/api/workspaces"),
    (78, "name", "a\u202eb", "name_characters", NO_CHARACTERS),
    (78, "name", "a\u200bb", "name_characters", NO_CHARACTERS),
    (78, "name", "a\nb", "name_characters", NO_CHARACTERS), (78, "name", "", "name_length", "1 to 200"),
    (78, "name", "   ", "name_length", "1 to 200"), (78, "name", "x" * 201, "name_length", "1 to 200"),
    (78, "lane", "", "name_length", "1 to 100"), (78, "lane", "x" * 101, "name_length", "1 to 100"),
    (79, "name", "😀" * 201, "name_length", "1 to 200"),
    (81, "name", "a\x1b[31mb", "name_characters", NO_CHARACTERS),
    (86, "crom", "* * * * *", "unknown_field", "Did you mean cron?"),
    (87, "name", None, NO_TEXT, "needs a text"), (87, "workspace_id", None, "uuid_type", "needs an id"),
    (87, "prompt", None, NO_TEXT, "needs a text"), (87, "kind", None, "literal_error", "'once'"),
    (87, "max_attempts", None, NO_INT, "whole number"),
    # In its spirit: only what can happen.
    (86, "kind", "cron", "literal_error", "'once'"), (86, "overlap", "never", "literal_error", "'queue_one'"),
    (86, "missed", "most", "literal_error", "'latest'"),
    (86, "missed", "all", "missed_needs_overlap", "queue_all or allow"),
    (86, "run_at", "2999-01-01T00:00:00Z", "run_at_only_for_once", "kind once"),
]  # fmt: skip
_PLAIN, _CHECK = {"kind": "command", "argv": ["true"]}, "success_check"
_HTTP: dict[str, Any] = {"kind": "http", "url": "http://example.com"}
NOT_PUBLIC = ("url_not_public", "SLOTBEAT_ALLOWED_NETWORKS")


def _at(url: str) -> dict[str, str]:
    return {"kind": "http", "url": url}


TARGETS: list[Entry] = [
    (101, "target", _at("http://127.0.0.1/"), *NOT_PUBLIC), (101, "target", _at("http://localhost/"), *NOT_PUBLIC),
    (101, "target", _at("http://[64:ff9b::7f00:1]/"), *NOT_PUBLIC),
    (101, "target", {"kind": "a2a", "url": "http://169.254.169.254/"}, *NOT_PUBLIC),
    (101, "target", _at("http://2130706433/"), "url_number", "in full"),
    (101, "target", _at("http://a:b@example.com/"), "url_user", "header"),
    (101, "target", _at("http://127.0.0.1\\@example.com/"), "url", "plain ASCII"),
    (101, "target", _at("file:///etc/passwd"), "url", "http:// or https://"),
    (101, "target", {"kind": "a2a", "url": "ws://example.com"}, "url", "http:// or https://"),
    (101, "target", {**_HTTP, "method": "BREW"}, "literal_error", "'POST'"),
    (101, "target", {**_HTTP, "headers": {"a b": "c"}}, "header", "letters, digits and -"),
    (101, "target", {**_HTTP, "headers": {"A": "b\r\nC: d"}}, "header_value", "one line"),
    (101, "target", {**_HTTP, "headers": {"Host": "a"}}, "header_ours", "leave it out"),
    (101, "target", {**_HTTP, "headers": {"Slotbeat-Token": "9"}}, "header_ours", "leave it out"),
    (101, "target", {**_HTTP, "timeout_s": 0}, LOW, "takes 1"),
    (101, "target", {**_HTTP, "timeout_s": True}, NO_INT, "whole"),
    (101, "target", {**_HTTP, "body": [1]}, "dict_type", "needs an object"),
    (87, "target", {"kind": "http"}, "required", "url"),
    (102, "target", {**_PLAIN, "argv": ["a\x00b"]}, "argument_nul", "take it out"),
    (102, "target", {**_PLAIN, "argv": ["x" * 200_000]}, "argument_length", "128 KiB"),
    (102, "target", {**_PLAIN, "argv": []}, "too_short", "needs 1 or more"),
    (102, "target", {**_PLAIN, "argv": "true"}, "list_type", "needs a list"),
    (102, "target", {**_PLAIN, "argv": [""]}, "program_empty", "the program"),
    (102, "target", {**_PLAIN, "argv": [5]}, NO_TEXT, "needs a text"),
    (102, "target", {**_PLAIN, "shell": True}, "unknown_field", "/api/docs"),
    (102, "target", {**_PLAIN, "adapter": "other"}, "literal_error", "'generic'"),
    (102, "target", {**_PLAIN, "env": {"A=B": "x"}}, "variable", "letters, digits and _"),
    (102, "target", {**_PLAIN, "env": {"A": 5}}, NO_TEXT, "needs a text"),
    (102, "target", {**_PLAIN, "env": {"A": {"$env": "A B"}}}, "variable", "letters, digits and _"),
    (104, "target", {**_PLAIN, "cwd": "../x"}, "folder", "without .."),
    (104, "target", {**_PLAIN, "cwd": "/a/../b"}, "folder", "without .."),
    (87, "target", None, "model_attributes_type", "needs an object"),
    (87, "target", {}, "union_tag_not_found", "needs a kind"),
    (87, "target", {"kind": "shell", "argv": ["true"]}, "union_tag_invalid", "'command'"),
    (87, "target", {"kind": "command"}, "required", "is required"),
    (87, "target", {"kind": "python", "callable": "os system"}, "callable", "agents.daily:report"),
    (54, "target", {"kind": "python", "callable": "a.b", "kwargs": {"a": "\x00"}}, "json", "without NUL"),
    (87, "target", {"kind": "celery", "task": "a"}, "required", "is required"),
    (87, "target", {"kind": "celery", "task": "a", "broker_url": "redis://:s@h"}, "model_attributes_type", "an object"),
    (87, _CHECK, {}, "success_check", "either argv or pattern"),
    (87, _CHECK, {"argv": ["true"], "pattern": "x"}, "success_check", "either argv or pattern"),
    (87, _CHECK, 5, "model_attributes_type", "needs an object"),
    (87, _CHECK, {"pattern": "("}, "pattern", "expression"),
    (87, _CHECK, {"pattern": ""}, "string_too_short", "needs 1"), (87, _CHECK, {"argv": []}, "too_short", "needs 1"),
    (87, _CHECK, {"pattern": "x" * 1001}, "string_too_long", "at most 1000"),
]  # fmt: skip
_rules = {written: (code, says) for written, code, says in CRON_RULES if isinstance(written, str)}
REFUSED: list[Entry] = [
    *((number, "cron", text, *_rules[text]) for number, texts in CRONS.items() for text in texts),
    *ZONES,
    *MIXED,
    *TARGETS,
]

# What looks strange and can be: with what it is kept as, or the note that it gets.
ACCEPTED: list[tuple[int, dict[str, Any], Any]] = [
    (4, {"cron": "0 0 29 2 *"}, "cron_rare"), (6, {"cron": "0 0 31 2 1"}, "cron_either_day"),
    (7, {"cron": "0 0 1-31/2 * 1"}, "cron_either_day"), (18, {"cron": "0 0 * * 0-7"}, None),
    (19, {"cron": "* * * * 7"}, {"cron": "* * * * 0"}), (20, {"cron": "0 0 L * *"}, None),
    (20, {"cron": "0 0 * * L5"}, None), (20, {"cron": "0 0 15W * *"}, None), (20, {"cron": "0 0 * * 5#3"}, None),
    (20, {"cron": "0 0 * * sat#1,sun#2"}, None), (22, {"cron": "@DAILY"}, {"cron": "@daily"}),
    (22, {"cron": "@annually"}, None), (30, {"cron": "0\t0 * * *\n"}, {"cron": "0 0 * * *"}),
    (37, {"cron": "* * * * *", "max_run_seconds": 1800}, "cron_saturated"),
    (39, {"timezone": "europe/paris"}, {"timezone": "Europe/Paris"}), (45, {"timezone": "Asia/Calcutta"}, None),
    (78, {"name": "  padded  "}, {"name": "padded"}), (79, {"name": "😀" * 200}, None),
    (80, {"name": "<img onerror>"}, None), (80, {"name": "{{7*7}}"}, None), (80, {"name": "=cmd()"}, None),
    (82, {"name": "'; drop table schedules; --"}, None), (60, {"prompt": "x" * 262_144}, None),
    (73, {"start_at": "2999-01-01T00:00:00+05:30"}, {"start_at": "2998-12-31T18:30:00Z"}),
    (102, {"target": {"kind": "command", "argv": ["echo", "~", "*", "$(id)", "a\nb"]}}, None),
    (101, {"target": {**_HTTP, "headers": {"Authorization": {"$env": "KEY"}}}}, None),
    (101, {"target": {"kind": "a2a", "url": "https://agent.example.com", "card_path": "/card.json"}}, None),
    (87, {"target": {"kind": "python", "callable": "agents.daily:report", "kwargs": {"days": 3}}}, None),
    (87, {"target": {"kind": "celery", "task": "agents.report", "broker_url": {"$env": "AGENTS_BROKER"}}}, None),
]  # fmt: skip

_API, _DOOR, _RULES = "tests/console/test_api_bad_input.py", "tests/console/test_api_door.py", "tests/rules"
_FIRINGS, _SCHEDULES = "tests/console/test_api_firings.py", "tests/console/test_api_schedules.py"
_SEARCH = "tests/console/test_pages.py::test_schedules_are_found_by_name_workspace_and_state_taken_literally"
_BODIES = f"{_API}::test_a_body_that_is_none_is_refused_before_it_is_used"
_CAPS = f"{_API}::test_a_cap_that_is_no_number_of_slots_is_refused"
_CLOCK = f"{_RULES}/test_cron_clock.py::test_a_day_on_which_clocks_change_runs_as_promised"
# What is no value of a schedule: in words, and the test that tries it.
ELSEWHERE: dict[int, tuple[str, str]] = {
    46: ("02:30 on a day without it: once, at 03:00", _CLOCK),
    47: ("02:30 on a day that has it twice: once for a fixed time", _CLOCK),
    48: ("every half hour in the repeated hour: in both", _CLOCK),
    49: ("changes of half an hour, at midnight, of a whole day",
         f"{_RULES}/test_cron_clock.py::test_the_rules_agree_with_a_brute_force_clock_around_every_change"),
    52: ("a lone surrogate in a prompt becomes U+FFFD",
         f"{_API}::test_a_prompt_that_cannot_be_stored_is_stored_as_it_can"),
    53: ("invalid UTF-8 in a body", _BODIES), 55: ("NaN, Infinity", _BODIES), 57: ("a body of 100,000 levels", _BODIES),
    59: ("1e400, a number of 5,000 digits", _BODIES),
    61: ("a body without end", f"{_API}::test_a_body_without_an_announced_length_is_not_read_to_its_end"),
    62: ("cap true", _CAPS), 63: ("cap 2.5", _CAPS), 64: ('cap "2"', _CAPS), 66: ("cap 10^9, 2^31, 2^63", _CAPS),
    65: ("cap -1 is refused, cap 0 drains",
         f"{_FIRINGS}::test_a_cap_of_zero_stops_forced_ones_too_and_lets_nothing_but_the_line_grow"),
    83: ("%, _ and \\ in a search",
         _SEARCH),
    84: ("no search takes an expression: its characters are letters",
         _SEARCH),
    85: ("no body, no JSON, a list, another content type", f"{_API}::test_only_json_is_taken"),
    88: ("a name that is taken: 409 with the id that has it",
         f"{_SCHEDULES}::test_a_name_is_given_once_in_a_workspace_and_again_after_its_schedule_is_gone"),
    89: ("an Idempotency-Key again, with the same body and with another",
         "tests/console/test_api_repeats.py::test_a_key_is_for_one_request"),
    90: ("two edits of one revision", f"{_SCHEDULES}::test_of_many_edits_of_one_revision_one_wins"),
    91: ("run now what is paused", f"{_FIRINGS}::test_a_paused_schedule_is_not_run_now"),
    92: ("run now at the cap",
         f"{_FIRINGS}::test_a_run_now_at_the_cap_is_refused_with_an_estimate_and_leaves_nothing_behind"),
    94: ("force without the scope: 403, audited",
         "tests/console/test_api_tokens.py::test_each_scope_takes_in_those_before_it_and_no_more"),
    95: ("cancel twice, cancel what has ended",
         f"{_FIRINGS}::test_a_running_firing_is_asked_to_end_and_an_ended_one_is_not"),
    98: ("headers too large or too many, a body too slow",
         f"{_DOOR}::test_headers_that_are_too_many_or_too_large_are_refused_and_the_server_stays"),
    99: ("a foreign Host or Origin, a forged X-Forwarded-For",
         f"{_DOOR}::test_what_a_caller_says_of_where_it_comes_from_changes_nothing"),
    100: ("no token, two, an expired one, one of another workspace",
          "tests/console/test_api_tokens.py::test_where_others_reach_the_api_nobody_comes_in_without_a_token"),
    105: ("garbage in the settings table under a good environment",
          "tests/store/test_settings.py::test_a_bad_value_is_named_once_with_its_source_and_place"),
}  # fmt: skip
NUMBERS = {
    *range(1, 5), *range(6, 10), *range(11, 16), *range(18, 33), *range(34, 38), 39, 40, 42, *range(44, 50),
    *range(51, 56), 57, *range(59, 67), *range(68, 72), 73, 74, 76, *range(78, 93), 94, 95, *range(98, 103), 104, 105,
}  # fmt: skip
