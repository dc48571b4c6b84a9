"""Statements that a database role must be refused, each by what a hostile process would do with it."""

from shared.store import roles

# Refused to every role. `%(name)s` are facts of the scene.
TO_NOBODY = {
    "makes a table": "create table mine (id int)",
    "makes a function": "create function mine() returns int language sql as 'select 1'",
    "makes a schema": "create schema mine",
    "makes a role": "create role mine superuser",
    "runs a program": "copy (select 1) to program 'true'",
    "reads a program": "copy alerts (kind) from program 'true'",
    "reads a file": "select pg_read_file('postgresql.conf')",
    "becomes the owner": "set role slotbeat",
    "turns a trigger off": "alter table firings disable trigger firing_moves_lawfully",
    "turns triggers off": "set session_replication_role = 'replica'",
    "drops a trigger": "drop trigger free_slots on firings",
    "drops a table": "drop table slots",
    "empties a table": "truncate slots",
    "changes a table": "alter table limits drop constraint limits_cap_check",
    "changes a function": "create or replace function limit_keys(of_workspace uuid, of_lane text) returns setof text"
    " language sql as 'select null::text'",
    "gives itself rights": "insert into role_grants values ('slotbeat_reader', 'delete', 'slots')",
    "grants itself rights": "select grant_roles()",
    "changes what was migrated": "delete from schema_migrations",
    "takes another's place": "update installation set id = gen_random_uuid()",
    "frees a slot": "update slots set token = null",
    "hands a slot over": "update slots set token = 1 where token is not null",
    "gives a firing a token": "update firings set token = 99 where id = %(queued)s",
    "starts a firing": "update firings set status = 'running', token = 99 where id = %(queued)s",
    "changes a prompt that waits": "update firings set prompt = 'rm -rf' where id = %(queued)s",
    "changes a target that waits": "update firings set target = '{}' where id = %(queued)s",
    "forces a firing that waits": "update firings set forced = true where id = %(queued)s",
    "jumps the line": "update firings set priority = 0 where id = %(queued)s",
    "takes a token": "select nextval('tokens')",
    "makes an attempt": "insert into attempts (firing_id, number, token, request_id, worker, claimed_at,"
    " heartbeat_expires_at, lease_ms, run_expires_at) values (%(queued)s, 1, 99, gen_random_uuid(), '{}', now(), now(),"
    " 1, now())",
    "gives an attempt a token": "update attempts set token = 99",
    "deletes an attempt": "delete from attempts",
    "deletes a firing": "delete from firings",
    "deletes the log": "delete from activity_logs",
    "rewrites the log": "update activity_logs set actor = 'nobody'",
    "backdates the log": "insert into activity_logs (type, actor, at) values ('x', 'y', '2001-01-01')",
    "deletes metrics": "delete from schedule_firing_metrics",
    "rewrites history": "update schedule_revisions set actor = 'nobody'",
    "makes an old secret its own": "update api_tokens set hash = 'x'",
}

# Refused to a role, beyond that.
TO_WORKER = {
    "raises the fleet's cap": "update limits set cap = 100",
    "adds a limit": "insert into limits (key, cap) values ('lane:x', 1)",
    "adds a slot": "insert into slots (limit_key, number) values ('fleet', 99)",
    "deletes a slot": "delete from slots",
    "changes a setting": "insert into settings (key, value) values ('reaper_enabled', 'false')",
    "changes a schedule's prompt": "update schedules set prompt = 'rm -rf'",
    "changes a schedule's target": "update schedules set target = '{}'",
    "changes when a schedule runs": "update schedules set next_run_at = now()",
    "resumes a schedule": "update schedules set status = 'active' where id = %(paused)s",
    "archives a schedule": "update schedules set status = 'archived' where id = %(schedule)s",
    "makes a schedule": "insert into schedules (id, workspace_id, name, target) values (gen_random_uuid(),"
    " %(workspace)s, 'x', '{}')",
    "makes a firing": "insert into firings (id, workspace_id, source, nominal_at, title, target, max_run_seconds)"
    " values (gen_random_uuid(), %(workspace)s, 'adhoc', now(), 'x', '{}', 1)",
    "cancels a firing that waits": "update firings set status = 'cancelled', finished_at = now() where id = %(queued)s",
    "asks for an abort": "update attempts set abort_requested_at = now(), abort_reason = 'cancelled'",
    "prolongs a run": "update attempts set run_expires_at = now() + interval '1 day'",
    "brings a workspace back": "update workspaces set status = 'online'",
    "moves a workspace's door": "update workspaces set health_url = 'http://169.254.169.254'",
    "reads tokens": "select hash from api_tokens",
    "reads the log": "select * from activity_logs",
    "reads what schedules will say": "select prompt from schedules",
    "is the API": "set role slotbeat_api",
}
TO_BEAT = {
    "raises the fleet's cap": "update limits set cap = 100",
    "adds a slot": "insert into slots (limit_key, number) values ('fleet', 99)",
    "changes a setting": "update settings set value = 'false'",
    "changes a schedule's prompt": "update schedules set prompt = 'rm -rf'",
    "changes a schedule's workspace": "update schedules set workspace_id = %(workspace)s",
    "resumes a schedule": "update schedules set status = 'active' where id = %(paused)s",
    "claims": "select * from claim_firing(%(queued)s, gen_random_uuid(), 0, '{}', null, '1 min')",
    "completes a firing": "update firings set status = 'completed', finished_at = now() where id = %(running)s",
    "cancels a firing that runs": "update firings set status = 'cancelled', finished_at = now() where id = %(running)s",
    "ends an attempt": "update attempts set ended_at = now(), outcome = 'completed'",
    "renews a lease": "update attempts set heartbeat_expires_at = now()",
    "makes a forced firing": "insert into firings (id, workspace_id, source, nominal_at, title, target,"
    " max_run_seconds, forced) values (gen_random_uuid(), %(workspace)s, 'adhoc', now(), 'x', '{}', 1, true)",
    "reads tokens": "select hash from api_tokens",
    "reads what payloads said": "select * from firing_events",
    "is a worker": "set role slotbeat_worker",
}
TO_API = {
    "claims": "select * from claim_firing(%(queued)s, gen_random_uuid(), 0, '{}', null, '1 min')",
    "completes a firing": "update firings set status = 'completed', finished_at = now() where id = %(running)s",
    "cancels a firing that runs": "update firings set status = 'cancelled', finished_at = now() where id = %(running)s",
    "writes a result": "update firings set result = 'fine' where id = %(running)s",
    "ends an attempt": "update attempts set ended_at = now(), outcome = 'completed'",
    "renews a lease": "update attempts set heartbeat_expires_at = now()",
    "writes what a payload said": "insert into firing_events (firing_id, token, seq, kind, data) values"
    " (%(running)s, 1, 1, 'log', '{}')",
    "adds a forced slot": "insert into slots (limit_key, number, token, forced) values ('fleet', 99, 1, true)",
    "invents a run": "update schedules set run_count = 100, last_status = 'ok'",
    "renames a limit": "update limits set key = 'lane:x'",
    "widens a token": "update api_tokens set scopes = '{admin}'",
    "is a worker": "set role slotbeat_worker",
}
TO_READER = {
    "raises the fleet's cap": "update limits set cap = 100",
    "changes a setting": "update settings set value = 'false'",
    "writes the log": "insert into activity_logs (type, actor) values ('x', 'y')",
    "pauses a schedule": "update schedules set status = 'paused'",
    "locks a schedule": "select from schedules for update",
    "cancels a firing that waits": "update firings set status = 'cancelled', finished_at = now() where id = %(queued)s",
    "claims": "select * from claim_firing(%(queued)s, gen_random_uuid(), 0, '{}', null, '1 min')",
    "signs as a worker": "insert into processes (id, kind, node, boot_id, pid, pid_start) values"
    " ('x', 'worker', 'x', '', 1, 1)",
    "reads tokens": "select hash from api_tokens",
    "reads secret settings": "select value from settings",
    "reads prompts": "select prompt from firings",
    "reads targets": "select target from schedules",
    "reads what payloads said": "select data from firing_events",
    "reads answers": "select made from idempotency_keys",
    "reads requests": "select request_id from attempts",
}
PROBES: dict[str, dict[str, str]] = dict(zip(roles.PARTS, (TO_WORKER, TO_BEAT, TO_API, TO_READER), strict=True))
