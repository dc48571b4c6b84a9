"""Illegal writes, each refused by Postgres itself, whoever asks."""

from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.store.rows import Rows

# Each write is of the world that `facts` makes: a running firing (with its token), a queued, a completed and a
# requeued one, a schedule due tomorrow, and fleet slots that are free.
REFUSED: dict[str, str] = {
    # A firing's states.
    "a firing is born running": "insert into firings (id, workspace_id, source, nominal_at, title, target,"
    " max_run_seconds, status, token) values (gen_random_uuid(), %(workspace)s, 'adhoc', now(), 't', '{}', 9,"
    " 'running', 99)",
    "a firing is born with a token": "insert into firings (id, workspace_id, source, nominal_at, title, target,"
    " max_run_seconds, token) values (gen_random_uuid(), %(workspace)s, 'adhoc', now(), 't', '{}', 9, 99)",
    "a queued firing completes": "update firings set status = 'completed', finished_at = now() where id = %(queued)s",
    "a queued firing fails": "update firings set status = 'failed', finished_at = now(), failure_reason = 'oom'"
    " where id = %(queued)s",
    "a completed firing is queued again": "update firings set status = 'queued', finished_at = null"
    " where id = %(completed)s",
    "a completed firing fails after all": "update firings set status = 'failed', failure_reason = 'oom'"
    " where id = %(completed)s",
    "a completed firing's result changes": "update firings set result = 'better' where id = %(completed)s",
    "a status nobody knows": "update firings set status = 'paused' where id = %(queued)s",
    "a reason nobody knows": "update firings set status = 'cancelled', finished_at = now(),"
    " failure_reason = 'bad luck' where id = %(queued)s",
    "a firing fails without a reason": "update firings set status = 'failed', finished_at = now()"
    " where id = %(running)s",
    "a firing ends without a time": "update firings set status = 'cancelled' where id = %(queued)s",
    "a queued firing has ended": "update firings set finished_at = now() where id = %(queued)s",
    "a firing ends in eternity": "update firings set status = 'cancelled', finished_at = 'infinity'"
    " where id = %(queued)s",
    # What a firing is.
    "a firing's place in line changes": "update firings set line_no = 0 where id = %(queued)s",
    "a running firing changes its lane": "update firings set lane = 'elsewhere' where id = %(running)s",
    "a firing moves to another workspace": "update firings set workspace_id = %(other)s where id = %(running)s",
    "a queued firing is deleted": "delete from firings where id = %(queued)s",
    "a running firing is deleted": "delete from firings where id = %(running)s",
    # Attempts and how many.
    "an attempt more than there may be": "update firings set attempt_count = 3 where id = %(requeued)s",
    "attempts are forgotten": "update firings set attempt_count = 0 where id = %(requeued)s",
    "a firing waits whose attempts are used up": "update firings set max_attempts = 1 where id = %(requeued)s",
    "a firing ends and its attempt does not": "update firings set status = 'completed', finished_at = now()"
    " where token = %(token)s",
    "a second live attempt": "insert into attempts (firing_id, number, token, request_id, worker, claimed_at,"
    " heartbeat_expires_at, lease_ms, run_expires_at) select firing_id, 2, 99, gen_random_uuid(), '{}', now(),"
    " now(), 1, now() from attempts where token = %(token)s",
    "an attempt of a firing that waits": "insert into attempts (firing_id, number, token, request_id, worker,"
    " claimed_at, heartbeat_expires_at, lease_ms, run_expires_at) values (%(queued)s, 1, 99, gen_random_uuid(), '{}',"
    " now(), now(), 1, now())",
    "an attempt is born ended": "insert into attempts (firing_id, number, token, request_id, worker, claimed_at,"
    " heartbeat_expires_at, lease_ms, run_expires_at, ended_at, outcome) values (%(queued)s, 1, 99,"
    " gen_random_uuid(), '{}', now(), now(), 1, now(), now(), 'completed')",
    "an attempt's request is asked twice": "update attempts set request_id = (select request_id from attempts"
    " where token = %(ended)s) where token = %(token)s",
    "an attempt changes its token": "update attempts set token = 99 where token = %(token)s",
    "an attempt ends while its firing runs": "update attempts set ended_at = now(), outcome = 'failed'"
    " where token = %(token)s",
    "an attempt ends without an outcome": "update attempts set ended_at = now() where token = %(token)s",
    "an outcome nobody knows": "update attempts set ended_at = now(), outcome = 'ok' where token = %(token)s",
    "an ended attempt is reopened": "update attempts set ended_at = null, outcome = null where token = %(ended)s",
    "an ended attempt's exit code changes": "update attempts set exit_code = 0 where token = %(ended)s",
    "an ended attempt is renewed": "update attempts set heartbeat_expires_at = now() where token = %(ended)s",
    "a lease for eternity": "update attempts set heartbeat_expires_at = 'infinity' where token = %(token)s",
    "an abort without a reason": "update attempts set abort_requested_at = now() where token = %(token)s",
    "a live attempt is deleted": "delete from attempts where token = %(token)s",
    # Tokens.
    "a run without a new token": "update firings set status = 'running', attempt_count = 2 where id = %(requeued)s",
    "a run with an older token": "update firings set status = 'running', attempt_count = 2, token = token - 1"
    " where id = %(requeued)s",
    "a running firing changes its token": "update firings set token = 99 where id = %(running)s",
    "a running firing loses its token": "update firings set token = null where id = %(running)s",
    "a requeued firing loses its token": "update firings set token = null where id = %(requeued)s",
    # Slots and limits.
    "a firing runs without slot and attempt": "update firings set status = 'running', attempt_count = 1, token = 99"
    " where id = %(queued)s",
    "a slot is taken from a running firing": "update slots set token = null where token = %(token)s",
    "a held slot is deleted": "delete from slots where token = %(token)s",
    "a slot is held by a token that does not run": "update slots set token = %(ended)s where number = %(free)s",
    "a slot is held by nobody's token": "update slots set token = 4711 where number = %(free)s",
    "a firing holds two slots of a limit": "update slots set token = %(token)s where number = %(free)s",
    "a firing holds a slot of a limit that is not its own": "update slots set token = %(token)s"
    " where limit_key = 'lane:other'",
    "a slot more than the cap": "insert into slots (limit_key, number) values ('fleet', 77)",
    "a slot fewer than the cap": "delete from slots where limit_key = 'fleet' and number = %(free)s",
    "a forced slot that nobody holds": "insert into slots (limit_key, number, forced) values ('fleet', 77, true)",
    "a slot turns forced": "update slots set forced = true where token = %(token)s",
    "a cap without its slots": "update limits set cap = 9 where key = 'fleet'",
    "a cap below zero": "update limits set cap = -1 where key = 'fleet'",
    "a surplus that nobody owes": "update limits set surplus = 1 where key = 'fleet'",
    "a limit of nothing": "insert into limits (key, cap) values ('planet', 0)",
    # Schedules and their times.
    "next_run_at moves back without an edit": "update schedules set next_run_at = next_run_at - interval '1 h'",
    "a revision goes down": "update schedules set revision = revision - 1",
    "a next run in eternity": "update schedules set next_run_at = 'infinity'",
    "a next run before all time": "update schedules set next_run_at = '-infinity', revision = revision + 1",
    "a nominal time fires twice": "insert into firings (id, schedule_id, workspace_id, source, nominal_at, title,"
    " target, max_run_seconds) select gen_random_uuid(), id, workspace_id, 'scheduled', '2031-01-01', 't', '{}', 9"
    " from schedules cross join generate_series(1, 2)",
    "an active schedule in a state nobody knows": "update schedules set status = 'running'",
    "a once with a cron": "update schedules set kind = 'once'",
    "no runs remain, and one less": "update schedules set remaining_runs = -1",
    "a streak below zero": "update schedules set failure_streak = -1",
    "skips that end before they begin": "insert into skips (id, schedule_id, first_at, last_at, count, reason)"
    " select gen_random_uuid(), id, '2031-01-02', '2031-01-01', 1, 'missed' from schedules",
    "a skip for a reason nobody knows": "insert into skips (id, schedule_id, first_at, last_at, count, reason)"
    " select gen_random_uuid(), id, '2031-01-01', '2031-01-02', 1, 'weather' from schedules",
    "skips that overlap": "insert into skips (id, schedule_id, first_at, last_at, count, reason)"
    " select gen_random_uuid(), id, day, day + interval '1 day', 2, 'missed' from schedules,"
    " unnest('{2031-01-01, 2031-01-02}'::timestamptz[]) as day",
    # Who we are.
    "a second installation": "insert into installation (only_row) values (false)",
    "a second epoch": "insert into epoch (number) values (9)",
    "an epoch below zero": "update epoch set number = -1",
}


def facts(rows: Rows) -> dict[str, Any]:
    rows.cap("fleet", 3)
    rows.cap("lane:other", 1)
    rows.schedule(next_run_at="2031-01-01")
    completed, requeued, running = rows.running(), rows.running(max_attempts=2), rows.running()
    rows.settle(completed.token)
    rows.settle(requeued.token, "queued")
    other = rows.one("insert into workspaces (id, name) values (gen_random_uuid(), 'other') returning id")
    return {
        "workspace": rows.workspace,
        "other": other,
        "completed": completed.firing_id,
        "ended": completed.token,
        "requeued": requeued.firing_id,
        "running": running.firing_id,
        "token": running.token,
        "queued": rows.firing(),
        "free": rows.one("select min(number) from slots where token is null and limit_key = 'fleet'"),
    }


def is_refused(rows: Rows, write: str, known: dict[str, Any]) -> bool:
    """Whether Postgres refuses it at once, or when the transaction would be committed; it leaves no trace."""
    try:
        with rows.sql.transaction(force_rollback=True):
            rows.sql.execute(write, known)  # pyright: ignore[reportArgumentType, reportCallIssue]
            rows.sql.execute("set constraints all immediate")
    except (errors.CheckViolation, errors.UniqueViolation, errors.ExclusionViolation):
        return True
    return False


def test_postgres_refuses_every_one_of_them(rows: Rows) -> None:
    """SLT-2 to SLT-6, SLT-10."""
    known = facts(rows)

    accepted = [what for what, write in REFUSED.items() if not is_refused(rows, write, known)]

    assert not accepted


def test_the_same_writes_made_lawfully_pass(rows: Rows) -> None:
    known = facts(rows)

    rows.sql.execute("update schedules set next_run_at = next_run_at - interval '1 h', revision = revision + 1")
    again = rows.claim(known["requeued"])
    rows.settle(again.token, "failed")
    rows.settle(known["token"])
    with rows.sql.transaction():
        rows.sql.execute("delete from firings where status in ('completed', 'failed')")

    assert again.number == 2
    assert rows.all("select status from firings") == [("queued",)]
    assert rows.slots("fleet") == (3, 0, 0, 0)


def test_a_slot_may_change_hands_within_a_transaction_only_if_all_fits_at_its_end(rows: Rows) -> None:
    known = facts(rows)

    with rows.sql.transaction():
        rows.sql.execute("update slots set token = null where token = %(token)s", known)
        rows.sql.execute("update slots set token = %(token)s where number = %(free)s and limit_key = 'fleet'", known)
    with pytest.raises(psycopg.errors.CheckViolation), rows.sql.transaction():
        rows.sql.execute("update slots set token = null where token = %(token)s", known)

    assert rows.slots("fleet") == (3, 1, 0, 0)


CLAIM_BY_HAND = """
    with run as (
      update firings set status = 'running', attempt_count = 2, token = %(new)s where id = %(requeued)s),
         attempt as (
      insert into attempts (firing_id, number, token, request_id, worker, claimed_at, heartbeat_expires_at, lease_ms,
                            run_expires_at)
      values (%(requeued)s, 2, %(new)s, gen_random_uuid(), '{}', now(), now(), 1, now()))
    update slots set token = %(new)s where limit_key = 'fleet' and number = %(free)s
"""


def test_a_claim_that_is_whole_but_for_its_older_token_is_refused(rows: Rows) -> None:
    known = facts(rows)
    before = rows.one("select token from firings where id = %s", known["requeued"])

    assert is_refused(rows, CLAIM_BY_HAND, {**known, "new": before})
    assert is_refused(rows, CLAIM_BY_HAND, {**known, "new": -5})
    assert not is_refused(rows, CLAIM_BY_HAND, {**known, "new": 4711})
