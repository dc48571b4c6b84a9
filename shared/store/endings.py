"""What endings write: gathered row by row, then sent with one statement for each kind, however many they are."""

import json
from dataclasses import fields
from typing import Any, LiteralString
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.rules.endings import Becomes, Report
from shared.store.activity import Deed
from shared.store.alerts import dedupe_key
from shared.store.connection import Postgres
from shared.store.settlement import Ended


def _forms(columns: tuple[LiteralString, ...], statement: LiteralString) -> tuple[LiteralString, LiteralString]:
    """The statement for a single row, whose values are its parameters, and for many, which are told as JSON.

    Of a list of rows Postgres expects a hundred, and would rather read a small table than look into it a hundred times,
    by a plan that is kept while the table grows. Of an equality that it knows nothing about, as of num_nulls, it
    expects next to nothing: what is joined to the list is looked up by its key.
    """
    single: list[LiteralString] = [
        "%(" + name + ")s::" + of + " as " + name for name, _, of in (it.partition(" ") for it in columns)
    ]
    one = "(select " + ", ".join(single) + ") as it"
    many = "json_to_recordset(%s) as it (" + ", ".join(columns) + ")"
    return statement.replace("ROWS", one), statement.replace("ROWS", many)


# What a schedule remembers of its newest firing, and its streaks.
_SCHEDULES = _forms(
    (
        *("schedule uuid", "last_status text", "error text", "reason text", "turns int", "failure_streak int"),
        *("breach_streak int", "near_lease_streak int", "held_streak int", "suppressed int", "avg_turns int"),
        "avg_duration_ms bigint",
    ),
    """
    update schedules s
       set last_run_at = now(), run_count = run_count + 1, last_status = it.last_status,
           last_success_at = case when it.last_status = 'ok' then now() else last_success_at end,
           last_error = it.error, last_failure_reason = it.reason, last_turn_count = it.turns,
           failure_streak = it.failure_streak, turn_budget_breach_streak = it.breach_streak,
           near_lease_streak = it.near_lease_streak, held_streak = it.held_streak,
           suppression_count = suppression_count + it.suppressed,
           avg_turns_per_firing = it.avg_turns, avg_duration_ms = it.avg_duration_ms
      from ROWS
     where s.id = it.schedule and num_nulls(it.schedule) = 0
    """,
)
_PAUSES = _forms(
    ("schedule uuid", "reason text", "note text"),
    """
    update schedules s
       set status = 'paused', paused_reason = it.reason, paused_by = 'slotbeat', pause_note = it.note,
           updated_at = now()
      from ROWS
     where s.id = it.schedule and num_nulls(it.schedule) = 0 and s.status = 'active'
    """,
)
_METRICS = _forms(
    (
        *("firing_id uuid", "schedule_id uuid", "workspace_id uuid", "nominal_at timestamptz"),
        *("claimed_at timestamptz", "queued_at timestamptz", "not_before timestamptz", "turns int", "max_turns int"),
        *("lag_ms real", "peak_rss_mb real", "streams int", "concurrent int", "reason text"),
    ),
    """
    insert into schedule_firing_metrics (
      firing_id, schedule_id, workspace_id, fired_at, slot_claimed_at, completed_at, slot_wait_ms, duration_ms,
      turn_count, max_turns_at_firing, event_loop_lag_ms, peak_rss_mb, interactive_streams, concurrent_firings,
      failure_reason)
    select it.firing_id, it.schedule_id, it.workspace_id, it.nominal_at, it.claimed_at, now(),
           greatest(0, extract(epoch from it.claimed_at - greatest(it.queued_at, it.not_before)) * 1000)::bigint,
           greatest(0, extract(epoch from now() - it.claimed_at) * 1000)::bigint,
           it.turns, it.max_turns, it.lag_ms, it.peak_rss_mb, it.streams, it.concurrent, it.reason
      from ROWS
    on conflict (firing_id) do nothing
    """,
)
_DEEDS = _forms(
    (
        *("workspace uuid", "schedule uuid", "firing uuid", "type text", "status text", "actor text", "body text"),
        *("error text", "duration_ms bigint"),
    ),
    """
    insert into activity_logs (workspace_id, schedule_id, firing_id, type, status, actor, request_body,
                               error_detail, duration_ms)
    select it.workspace, it.schedule, it.firing, it.type, it.status, it.actor, it.body::jsonb, it.error, it.duration_ms
      from ROWS
    """,
)
# The row is compared as a whole, so that no other index than that of keys would do; and each is looked up by itself,
# which is what "offset 0" says: joined to the list, the table would be read as a whole by a plan of when it was empty.
_ALERTS = _forms(
    (
        *("id uuid", "dedupe text", "kind text", "title text", "body text", "workspace uuid", "schedule uuid"),
        "firing uuid",
    ),
    """
    insert into alerts (id, dedupe_key, kind, title, body, workspace_id, schedule_id, firing_id)
    select it.id, it.dedupe, it.kind, it.title, it.body, it.workspace, it.schedule, it.firing
      from ROWS
     where num_nulls(it.dedupe) = 0
       and not exists (select from alerts a
                        where a.dedupe_key = it.dedupe
                          and (a.dedupe_key, a.at) > (it.dedupe, now() - interval '1 hour')
                       offset 0)
    """,
)
# Guarded by the token: whoever is not the live attempt any more changes nothing. Both are found by their key, and
# then looked at: what runs and lives by statistics of a quiet hour is nothing, and would be read as a whole.
_ENDS = _forms(
    (
        *("token bigint", "firing uuid", "status text", "outcome text", "charged boolean", "backoff_s float8"),
        *("reason text", "error text", "exit_code int", "result text", "turns int", "input_tokens bigint"),
        *("output_tokens bigint", "cost_micros bigint", "peak_rss_mb real", "remote_ref text"),
    ),
    """
    with attempt as (
      update attempts a
         set ended_at = now(), outcome = it.outcome, failure_reason = it.reason,
             exit_code = coalesce(a.exit_code, it.exit_code), exited_at = coalesce(exited_at, now()),
             turns = greatest(a.turns, coalesce(it.turns, 0)),
             input_tokens = coalesce(it.input_tokens, a.input_tokens),
             output_tokens = coalesce(it.output_tokens, a.output_tokens),
             cost_micros = coalesce(it.cost_micros, a.cost_micros), peak_rss_mb = it.peak_rss_mb,
             remote_ref = coalesce(it.remote_ref, a.remote_ref)
        from ROWS
       where a.token = it.token and num_nulls(it.token) = 0 and a.outcome is null
      returning it.*, it.status = 'queued' as again, a.turns as used_turns, a.input_tokens as used_input,
                a.output_tokens as used_output, a.cost_micros as used_micros)
    update firings f
       set status = it.status, error = it.error,
           finished_at = case when not again then now() end,
           failure_reason = case when not again then it.reason end,
           exit_code = case when again then f.exit_code else it.exit_code end,
           result = case when again then f.result else it.result end,
           turns = case when again then f.turns else coalesce(it.turns, it.used_turns) end,
           input_tokens = case when again then f.input_tokens else it.used_input end,
           output_tokens = case when again then f.output_tokens else it.used_output end,
           cost_micros = case when again then f.cost_micros else it.used_micros end,
           attempt_count = attempt_count - case when again and not it.charged then 1 else 0 end,
           interrupted_count = interrupted_count + case when it.outcome = 'interrupted' then 1 else 0 end,
           not_before = case when again then now() + make_interval(secs => it.backoff_s) else f.not_before end
      from attempt it
     where f.id = it.firing and f.token = it.token and f.status || '' = 'running'
    """,
)
_BECOMES = tuple(it.name for it in fields(Becomes))
_REPORTED = tuple(it.name for it in fields(Report))
_KNOWN = (
    *("firing_id", "schedule_id", "workspace_id", "nominal_at", "claimed_at", "queued_at"),
    *("not_before", "max_turns", "lag_ms", "concurrent"),
)

Row = dict[str, Any]


class Endings:
    """Rows that are to be written together."""

    def __init__(self) -> None:
        self._schedules: list[Row] = []
        self._pauses: list[Row] = []
        self._metrics: list[Row] = []
        self._deeds: list[Row] = []
        self._alerts: dict[str, Row] = {}
        self._ends: list[Row] = []

    def end(self, ended: Ended, becomes: Becomes, report: Report) -> None:
        """The end of an attempt and of its firing; slot rows follow by themselves."""
        row: Row = {"token": ended.token, "firing": ended.firing_id}
        row.update({name: getattr(becomes, name) for name in _BECOMES})
        row.update({name: getattr(report, name) for name in _REPORTED})
        self._ends.append(row)

    def measure(self, ended: Ended, values: Row) -> None:
        """A row of metrics for the ended firing: its turns, reason, peak_rss_mb, and the streams meanwhile."""
        self._metrics.append({**{name: getattr(ended, name) for name in _KNOWN}, **values})

    def remember(self, schedule: UUID, values: Row) -> None:
        """What a schedule remembers of its newest firing, and its streaks: once of each."""
        self._schedules.append({"schedule": schedule, **values})

    def pause(self, schedule: UUID, reason: str, note: str) -> None:
        """Pauses a schedule for its streak, unless it is not active any more."""
        self._pauses.append({"schedule": schedule, "reason": reason, "note": note})

    def log(self, deed: Deed) -> None:
        """A row of the activity log."""
        self._deeds.append({**vars(deed), "body": json.dumps(deed.body)})

    def tell(self, ended: Ended, kind: str, title: str, body: str) -> None:
        """An alert about it, as `alerts.add` sends one."""
        key = dedupe_key(kind, **ended.about)
        row = {"id": uuid7(), "dedupe": key, "kind": kind, "title": title, "body": body, **ended.about}
        self._alerts.setdefault(key, row)

    def write(self, connection: Postgres) -> None:
        """Sends all that was gathered since the last time; what others want, workspaces and slots, last."""
        _send(connection, _SCHEDULES, self._schedules)
        _send(connection, _PAUSES, self._pauses)
        _send(connection, _METRICS, self._metrics)
        _send(connection, _DEEDS, self._deeds)
        _send(connection, _ALERTS, list(self._alerts.values()))
        _send(connection, _ENDS, self._ends)
        self.__init__()


def _send(connection: Postgres, forms: tuple[LiteralString, LiteralString], rows: list[Row]) -> None:
    one, many = forms
    if len(rows) == 1:
        # Numbers as text: by its size a number is of one type or another, and none of no type. Each would make another
        # statement of it, prepared and planned for itself as long as the connection lives.
        connection.execute(one, {name: str(it) if type(it) in (int, float) else it for name, it in rows[0].items()})
    elif rows:
        connection.execute(many, [json.dumps(rows, default=str)])
