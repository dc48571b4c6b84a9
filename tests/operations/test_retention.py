"""What is too old goes, a batch at a time; what is active, not counted or not sent stays, whatever its age."""

import dataclasses
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from shared.store import retention, tallies
from tests.process.conftest import Fleet
from tests.store.rows import Rows
from tests.waiting import until
from workers import retain, tally
from workers.station import Station

KINDS = {
    "events": "firing_events",
    "metrics": "schedule_firing_metrics",
    "activity": "activity_logs",
    "firings": "firings",
    "skips": "skips",
    "alerts": "alerts",
    "idempotency_keys": "idempotency_keys",
    "stream_latencies": "stream_latencies",
    "sign_ins": "sign_ins",
    "failed_sign_ins": "failed_sign_ins",
}
# Of each kind one row of this age in days, and a firing with its attempt.
WORLD = (
    "insert into alerts (id, dedupe_key, kind, title, body, at, sent_at)"
    " values (gen_random_uuid(), 'k', 'k', 't', 'b', now() - %(age)s, now())",
    "insert into activity_logs (type, actor, at) values ('x', 'y', now() - %(age)s)",
    "insert into idempotency_keys (key, caller, request_hash, made, at)"
    " values (gen_random_uuid()::text, 's', '', gen_random_uuid(), now() - %(age)s)",
    "insert into stream_latencies (at, latency_ms) values (now() - %(age)s, 5)",
    "with token as ("
    " insert into api_tokens (id, name, prefix, hash, scopes)"
    " values (gen_random_uuid(), gen_random_uuid()::text, gen_random_uuid()::text, 'c', '{read}') returning id)"
    " insert into sign_ins (hash, token_id, created_at, expires_at)"
    " select sha256(id::text::bytea), id, now() - interval '90 days', now() - %(age)s from token",
    "insert into failed_sign_ins (client, failures, since) values (gen_random_uuid()::text, 3, now() - %(age)s)",
    "insert into skips (id, schedule_id, first_at, last_at, count, reason, is_counted)"
    " values (gen_random_uuid(), %(schedule)s, now() - %(age)s, now() - %(age)s, 1, 'overlap', true)",
)


def aged(rows: Rows, days: float) -> None:
    """One row of each kind of this age."""
    token = rows.running().token
    rows.sql.execute("insert into firing_events (firing_id, token, seq, kind, data)"
                     " select id, token, 1, 'log', '{}' from firings where token = %s", [token])  # fmt: skip
    rows.settle(token)
    age = f"{days} days"
    with rows.sql.transaction():
        # History is not rewritten by anybody: so that a test may, the rules look away.
        rows.sql.execute("set local session_replication_role = 'replica'")
        rows.sql.execute(
            "update firings set finished_at = now() - %s::interval, queued_at = now() - %s::interval where token = %s",
            [age, age, token],
        )
    rows.sql.execute(
        "insert into schedule_firing_metrics (firing_id, workspace_id, fired_at, completed_at, is_counted)"
        " select id, workspace_id, nominal_at, finished_at, true from firings where token = %s",
        [token],
    )
    values = {"age": age, "schedule": rows.schedule()}
    for statement in WORLD:
        typed = statement.replace("%(age)s", "%(age)s::interval")
        rows.sql.execute(typed, values)  # pyright: ignore[reportArgumentType]


def count(rows: Rows, kind: str) -> int:
    return rows.one(f"select count(*)::int from {KINDS[kind]}")


def keep(days: float) -> Any:
    return timedelta(days=days)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_older_than_is_kept_goes_and_what_is_younger_stays(kind: retention.Kind, rows: Rows) -> None:
    for days in (3, 9, 11, 40):
        aged(rows, days)

    gone = 0
    while batch := retention.forget(rows.sql, kind, keep(10), 1):
        gone += batch

    assert (gone, count(rows, kind)) == (2, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_can_have_what_is_younger_than_a_day_deleted(kind: retention.Kind, rows: Rows) -> None:
    """Whoever has a worker's rights may call it with any age."""
    aged(rows, 0.9)
    before = count(rows, kind)

    assert retention.forget(rows.sql, kind, keep(-100), 100) == 0

    assert count(rows, kind) == before


def test_a_firing_goes_with_its_attempts_and_its_output(rows: Rows) -> None:
    aged(rows, 20)

    retention.forget(rows.sql, "firings", keep(10), 10)

    assert [rows.one(f"select count(*) from {it}") for it in ("firings", "attempts", "firing_events")] == [0, 0, 0]


def test_what_waits_or_runs_stays_however_old(rows: Rows) -> None:
    rows.running()
    rows.firing()
    with rows.sql.transaction():
        rows.sql.execute("set local session_replication_role = 'replica'")
        rows.sql.execute("update firings set queued_at = queued_at - interval '900 days', nominal_at = '2020-01-01'")
        rows.sql.execute("update attempts set claimed_at = claimed_at - interval '900 days'")

    for kind in ("events", "firings", "metrics"):
        assert retention.forget(rows.sql, kind, keep(10), 10) == 0

    assert rows.one("select count(*) from firings") == 2


def test_what_is_not_in_the_counters_yet_stays_until_it_is(rows: Rows) -> None:
    aged(rows, 20)
    rows.sql.execute("update schedule_firing_metrics set is_counted = false")
    rows.sql.execute("update skips set is_counted = false")

    for kind in ("metrics", "firings", "skips"):
        assert retention.forget(rows.sql, kind, keep(10), 10) == 0
    tallies.fold(rows.sql, 10)
    for kind in ("metrics", "firings", "skips"):
        assert retention.forget(rows.sql, kind, keep(10), 10) == 1


def test_an_alert_that_is_still_to_be_sent_stays_and_one_that_was_given_up_goes(rows: Rows) -> None:
    aged(rows, 20)
    rows.sql.execute("update alerts set sent_at = null")
    assert retention.forget(rows.sql, "alerts", keep(10), 10) == 0

    rows.sql.execute("update alerts set given_up_at = now()")
    assert retention.forget(rows.sql, "alerts", keep(10), 10) == 1


def test_output_is_deleted_by_whole_firings_also_where_many_ended_in_one_instant(rows: Rows) -> None:
    for _ in range(5):
        aged(rows, 20)
    with rows.sql.transaction():
        rows.sql.execute("set local session_replication_role = 'replica'")
        rows.sql.execute("update firings set finished_at = now() - interval '20 days'")
    aged(rows, 15)

    assert retention.forget(rows.sql, "events", keep(10), 2) == 5
    assert retention.forget(rows.sql, "events", keep(10), 2) == 1
    assert retention.forget(rows.sql, "events", keep(10), 2) == 0
    assert count(rows, "events") == 0


def test_an_unknown_kind_is_refused(rows: Rows) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="nobody forgets"):
        retention.forget(rows.sql, "limits", keep(10), 1)  # pyright: ignore[reportArgumentType]


def test_a_pass_goes_by_the_settings_and_counts_what_went(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(fleet.database.connection(), fleet.workspace())
    for days in (20, 35, 95):
        aged(rows, days)
    station.settings = dataclasses.replace(station.settings, retain_every_s=0.0)
    monkeypatch.setattr(retain, "BATCH", 1)

    assert retain.sweep(station) == {
        "events_total": 3,
        "metrics_total": 2,
        "activity_total": 1,
        "firings_total": 1,
        "skips_total": 1,
        "alerts_total": 1,
        "idempotency_keys_total": 3,
        "stream_latencies_total": 3,
        "sign_ins_total": 3,
        "failed_sign_ins_total": 3,
    }
    assert retain.sweep(station) == {}
    assert fleet.rows("select outcome, counts ->> 'events_total' from cadence") == [("ok", "3")]


def test_one_kind_that_cannot_be_deleted_hinders_no_other(fleet: Fleet, station: Station) -> None:
    rows = Rows(fleet.database.connection(), fleet.workspace())
    aged(rows, 400)
    rows.sql.execute("create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
    rows.sql.execute("create trigger no before delete on schedule_firing_metrics execute function no()")
    station.settings = dataclasses.replace(station.settings, retain_every_s=0.0)

    told = retain.sweep(station)

    assert "metrics_total" not in told
    assert told["firings_total"] == 1
    assert fleet.rows("select outcome from cadence") == [("failed",)]


def test_beat_sends_them_and_a_worker_runs_them(fleet: Fleet) -> None:
    fleet.environment.update(SLOTBEAT_TALLY_EVERY_S="0.2", SLOTBEAT_RETAIN_EVERY_S="0.2")
    rows = Rows(fleet.database.connection(), fleet.workspace())
    aged(rows, 95)
    fleet.worker()
    fleet.beat()
    fleet.schedule(fleet.workspace("w"), "s", ["true"])
    until(lambda: fleet.rows("select value from tallies where name = 'firings'") == [(1.0,)])
    until(lambda: count(rows, "events") == 0)
    assert fleet.rows("select count(*) from firings where title <> 's'") in ([(0,)], [(1,)])


def test_a_tally_goes_on_until_all_is_folded(fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(fleet.database.connection(), fleet.workspace())
    for _ in range(3):
        aged(rows, 1)
    rows.sql.execute("update schedule_firing_metrics set is_counted = false")
    station.settings = dataclasses.replace(station.settings, tally_every_s=0.0)
    monkeypatch.setattr(tally, "BATCH", 1)

    assert tally.sweep(station) == {"counted": 3, "spend": 0}
