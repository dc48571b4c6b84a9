"""Tests of the mutants themselves: what is drawn, that the copy runs its own code, and what counts as killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.mutation import bench, in_lua, in_python, in_sql
from tests.mutation.areas import AREAS, ROOT, cuts_of, files_of
from tests.mutation.bench import environment
from tests.mutation.cut import Cut, applied, line_of
from tests.mutation.draw import drawn
from tests.mutation.trial import PYTEST, copy_of_checkout, put_in, read

PYTHON = '''
def may(seen, now, limit):
    """Not code: if now < limit and seen."""
    if seen.ended:
        return None
    if now <= limit and seen.live:
        seen.ticks += 1
        seen.write()
        event("told.only", count=3)
    return max(now, limit)
'''
SQL = """
create function f() returns trigger language plpgsql as $$
begin
  -- where nothing and nothing
  if not exists (select from t where token = new.token and (ended_at is null or at < now()) and n > 3) then
    raise exception 'a where b and c < d';
  end if;
  update t set a = 1, b = greatest(a, 2) where id = new.id;
  return new;
end $$;
create unique index i on t (a) where b is null;
"""
LUA = """
-- if this and that then
if a == b and room('x and y') <= 0 then return {'NO'} end
redis.call('ZADD', key('z'), 'NX', now + 1000, it)
drop(firing)
"""


def changed(made: list[Cut], text: str) -> set[str]:
    """The lines as each change leaves them."""
    return {" ".join(applied(text, it).splitlines()[line_of(text, it) - 1].split()) for it in made}


def test_conditions_bounds_guards_steps_and_constants_of_python_are_changed() -> None:
    lines = changed(in_python.cuts("f.py", PYTHON), PYTHON)

    assert {
        "if (not (seen.ended)):",
        "if now < limit and seen.live:",
        "if now > limit and seen.live:",
        "if ((seen.live)):",
        "if ((now <= limit) or (seen.live)):",
        "seen.ticks += 2",
        "seen.write()",
        "return min(now, limit)",
        "pass",
    } <= lines


def test_what_documents_types_or_logs_is_left_alone() -> None:
    made = in_python.cuts("f.py", PYTHON)

    assert not [
        it for it in made if "Not code" in PYTHON[it.start : it.end] or "told.only" in PYTHON[it.start : it.end]
    ]


def test_conjuncts_negations_triggers_and_steps_of_sql_are_changed() -> None:
    made = in_sql.cuts("f.sql", SQL)
    lines = changed(made, SQL)
    whole = "if not exists (select from t where token = new.token and (ended_at is null or at < now()) and n > 3) then"

    assert whole in {" ".join(line.split()) for line in SQL.splitlines()}
    assert {
        whole.replace("not exists", "exists"),
        whole.replace("token = new.token and ", ""),
        whole.replace("and n > 3", ""),
        whole.replace("at < now()", "at <= now()"),
        "null;",
        "update t set a = 1 where id = new.id;",
        "update t set b = greatest(a, 2) where id = new.id;",
    } <= lines
    assert not [it for it in made if "nothing" in SQL[it.start : it.end] or it.start == SQL.index("c < d") + 2]


def test_a_rule_that_a_later_migration_defines_again_is_mutated_there_alone() -> None:
    later = "create or replace function f() returns trigger language plpgsql as $$ begin return new; end $$;"

    left = in_sql.cuts("f.sql", SQL, later)

    assert left
    assert all(it.start >= SQL.index("create unique") for it in left)


def test_guards_calls_options_and_bounds_of_lua_are_changed() -> None:
    lines = changed(in_lua.cuts("f.lua", LUA), LUA)

    assert {
        "if room('x and y') <= 0 then return {'NO'} end",
        "if a == b then return {'NO'} end",
        "if a == b and room('x and y') < 0 then return {'NO'} end",
        "if a ~= b and room('x and y') <= 0 then return {'NO'} end",
        "redis.call('ZADD', key('z'), now + 1000, it)",
        "redis.call('ZADD', key('z'), 'NX', now - 1000, it)",
        "drop(firing)",
        "",
    } <= lines


def test_a_seed_draws_the_same_again_and_a_larger_draw_begins_with_the_smaller() -> None:
    few, many = drawn(30, "a", "shared/lua"), drawn(45, "a", "shared/lua")

    assert many[:30] == few == drawn(30, "a", "shared/lua")
    assert drawn(30, "b", "shared/lua") != few


def test_every_area_has_files_changes_and_tests_that_exist() -> None:
    for area in AREAS:
        assert files_of(area), area.name
        assert all(cuts_of(file) for file in files_of(area)[:3])
        assert all((ROOT / it).exists() for it in (*area.narrow, *area.wide)), area.name


def test_a_copy_runs_its_own_code_in_every_process_that_it_starts(tmp_path: Path) -> None:
    inner = "import workers.guard, workers.guards; print(workers.guard.__file__, workers.guards._ROOT)"
    outer = f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {inner!r}]).decode())"

    with copy_of_checkout() as folder:
        argv, apart = [sys.executable, "-c", outer], environment(folder)
        found = subprocess.run(argv, cwd=tmp_path, env=apart, capture_output=True, text=True, check=True)

    assert found.stdout.split() == [f"{folder}/workers/guard.py", str(folder)]


def test_a_mutant_of_a_copy_is_what_its_processes_run(tmp_path: Path) -> None:
    place = (ROOT / "workers/guard.py").read_text().index("MARK = ")
    cut = Cut("workers/guard.py", place, place, "raise SystemExit(77)\n", "step")

    with copy_of_checkout() as folder:
        put_in(folder, cut)
        argv = [sys.executable, "-c", "import workers.guards"]
        found = subprocess.run(argv, cwd=tmp_path, env=environment(folder), check=False)

    assert found.returncode == 77


def test_a_script_that_never_ends_reddens_no_later_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ANSWERS_WITHIN_S", 0.5)
    test = "tests/slots/test_scripts.py::test_every_script_answers_unseeded_under_another_epoch_and_changes_nothing"
    with bench.benches(1) as [only], copy_of_checkout() as folder:
        endless = "while true do redis.call('INCR', 'rounds') end"
        with (
            Redis.from_url(only._servers.redis_url, socket_timeout=0.5, retry=None) as client,
            pytest.raises(RedisError),
        ):
            client.eval(endless, 0)

        assert only.run(folder, [*PYTEST, test], 60) == 0


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        ("assert 1 == 2", 1, "killed"),
        ("Failed: Timeout (>60.0s) from pytest-timeout.", 1, "timeout"),
        ("psycopg.errors.SyntaxError: syntax error at or near", 1, "stillborn"),
        ("ResponseError: Error compiling script (new function)", 1, "stillborn"),
        (None, 0, "survived"),
        (None, -9, "timeout"),
    ],
)
def test_only_a_test_that_noticed_is_a_kill(words: str | None, code: int, answer: str) -> None:
    told = [] if words is None else [json.dumps({"test": "tests/a.py::test_b", "words": words})]

    assert read(told, code).answer == answer
