-- Who may do what: four group roles, each with exactly what its part needs. Rights are rows, so that a later
-- migration adds a row beside its table and calls grant_roles(), and so that `slotbeat doctor` can compare.

create table role_grants (
  role    text not null check (role in ('slotbeat_worker', 'slotbeat_beat', 'slotbeat_api', 'slotbeat_reader')),
  rights  text not null,
  thing   text not null,
  primary key (role, rights, thing)
);

-- Some columns several parts may write, but not to every value. What they may make of them is granted as
-- EXECUTE on a function that does nothing: the trigger below asks for it. Nobody is granted may_start_firings:
-- only claim_firing, which runs as its owner, starts one.
create function may_start_firings() returns void language plpgsql as $$ begin end $$;
create function may_cancel_waiting_firings() returns void language plpgsql as $$ begin end $$;
create function may_end_running_firings() returns void language plpgsql as $$ begin end $$;
create function may_archive_schedules() returns void language plpgsql as $$ begin end $$;
create function may_resume_schedules() returns void language plpgsql as $$ begin end $$;

-- Asked afresh each time: an EXECUTE that plpgsql checks itself is remembered for the rest of a transaction, in
-- which claim_firing may have run as the owner.
create function firing_moves_by_right() returns trigger language plpgsql as $$
begin
  if not has_function_privilege(
       case when new.status = 'running' then 'may_start_firings()'
            when old.status = 'queued' then 'may_cancel_waiting_firings()'
            else 'may_end_running_firings()' end, 'execute') then
    raise exception 'firing %: % -> % is not for %', old.id, old.status, new.status, current_user
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger firing_moves_by_right before update of status on firings
  for each row when (new.status <> old.status) execute function firing_moves_by_right();

create function schedule_moves_by_right() returns trigger language plpgsql as $$
begin
  if not has_function_privilege(
       case new.status when 'active' then 'may_resume_schedules()' else 'may_archive_schedules()' end, 'execute') then
    raise exception 'schedule %: % -> % is not for %', old.id, old.status, new.status, current_user
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger schedule_moves_by_right before update of status on schedules
  for each row when (new.status <> old.status and new.status <> 'paused') execute function schedule_moves_by_right();

insert into role_grants (role, rights, thing)
select 'slotbeat_worker', rights, thing from (values
  ('select', 'installation'), ('select', 'epoch'), ('update (number, redis_run_id, rebuilt_at)', 'epoch'),
  ('select (key, value)', 'settings'), ('select', 'limits'), ('select', 'slots'),
  ('select (id, name, status, health_url)', 'workspaces'),
  ('select (id, name, status, cron, timezone, max_turns_set_at, run_count, failure_streak, near_lease_streak,'
   ' turn_budget_breach_streak, avg_turns_per_firing, avg_duration_ms)', 'schedules'),
  ('update (last_run_at, run_count, last_status, last_error, last_failure_reason, last_turn_count, failure_streak,'
   ' turn_budget_breach_streak, near_lease_streak, avg_turns_per_firing, avg_duration_ms, status, paused_reason,'
   ' paused_by, pause_note, updated_at)', 'schedules'),
  ('select', 'startable'), ('select', 'firings'),
  ('update (status, finished_at, failure_reason, error, exit_code, result, turns, input_tokens, output_tokens,'
   ' cost_micros, attempt_count, interrupted_count, not_before)', 'firings'),
  ('select', 'attempts'),
  ('update (heartbeat_expires_at, dead_ticks, dead_tick_at, interrupting, exit_code, exit_reason, exited_at, ended_at,'
   ' outcome, failure_reason, turns, input_tokens, output_tokens, cost_micros, peak_rss_mb, remote_ref, late_result)',
   'attempts'),
  ('insert', 'firing_events'), ('select (firing_id, token, seq)', 'firing_events'), ('delete', 'firing_events'),
  ('insert', 'schedule_firing_metrics'), ('select (firing_id)', 'schedule_firing_metrics'),
  ('insert (id, dedupe_key, kind, title, body, workspace_id, schedule_id, firing_id)', 'alerts'),
  ('select (dedupe_key, at)', 'alerts'),
  ('select, insert, update', 'cadence'),
  ('execute', 'function claim_firing(uuid, uuid, bigint, jsonb, text, interval)'),
  ('execute', 'function limit_keys(uuid, text)'), ('execute', 'function may_end_running_firings()')
) as it (rights, thing);

insert into role_grants (role, rights, thing)
select 'slotbeat_beat', rights, thing from (values
  ('select', 'cadence'),
  ('select', 'installation'), ('select', 'epoch'), ('update (number, redis_run_id, rebuilt_at)', 'epoch'),
  ('select (key, value)', 'settings'), ('select', 'limits'),
  ('select (id, name, status, native_scheduler)', 'workspaces'),
  ('select', 'schedules'),
  ('update (next_run_at, deferred_until, fired_count, remaining_runs, status, paused_reason, paused_by, pause_note,'
   ' updated_at)', 'schedules'),
  ('select', 'startable'), ('select', 'firings'),
  ('insert (id, schedule_id, workspace_id, source, nominal_at, number, title, prompt, target, priority, lane,'
   ' max_turns, max_run_seconds, max_attempts, retry_backoff_s, schedule_revision)', 'firings'),
  ('update (status, finished_at, failure_reason)', 'firings'), ('usage', 'sequence line_numbers'),
  ('select', 'attempts'), ('update (abort_requested_at, abort_reason)', 'attempts'),
  ('insert', 'skips'), ('insert', 'schedule_firing_metrics'),
  ('insert (id, dedupe_key, kind, title, body, workspace_id, schedule_id, firing_id)', 'alerts'),
  ('select (dedupe_key, at)', 'alerts'),
  ('execute', 'function may_cancel_waiting_firings()'), ('execute', 'function may_archive_schedules()')
) as it (rights, thing);

insert into role_grants (role, rights, thing)
select 'slotbeat_api', rights, thing from (values
  ('select', 'schema_migrations'), ('select', 'role_grants'), ('select', 'installation'),
  ('select', 'epoch'), ('update (number, redis_run_id, rebuilt_at)', 'epoch'),
  ('select, insert, update, delete', 'settings'),
  ('select, insert, delete', 'limits'), ('update (cap, surplus, updated_at, updated_by)', 'limits'),
  ('select, delete', 'slots'), ('insert (limit_key, number, token)', 'slots'),
  ('select, insert, delete', 'workspaces'),
  ('update (name, status, native_scheduler, health_url, restart_command, restart_url, wake_url, updated_at)',
   'workspaces'),
  ('select, insert, delete', 'schedules'),
  ('update (workspace_id, name, kind, cron, run_at, timezone, prompt, target, priority, lane, overlap, missed,'
   ' start_deadline_s, jitter_s, start_at, end_at, remaining_runs, max_turns, max_turns_set_at, max_run_seconds,'
   ' max_attempts, retry_backoff_s, daily_turn_budget, budget_turns, budget_tokens, budget_micros, success_check,'
   ' alert_after_s, status, paused_reason, paused_by, paused_until, pause_note, next_run_at, deferred_until,'
   ' failure_streak, turn_budget_breach_streak, near_lease_streak, fired_count, revision, updated_at)', 'schedules'),
  ('select, insert, delete', 'schedule_revisions'),
  ('select', 'startable'), ('select', 'firings'),
  ('insert (id, schedule_id, workspace_id, source, nominal_at, line_no, number, title, prompt, target, priority, lane,'
   ' forced, max_turns, max_run_seconds, max_attempts, retry_backoff_s, schedule_revision)', 'firings'),
  ('update (status, finished_at, failure_reason)', 'firings'), ('usage', 'sequence line_numbers'),
  ('select', 'attempts'), ('update (abort_requested_at, abort_reason)', 'attempts'),
  ('select', 'firing_events'), ('select, insert', 'skips'), ('select, insert', 'schedule_firing_metrics'),
  ('select', 'activity_logs'), ('select', 'alerts'), ('select', 'cadence'), ('select', 'failure_classes'),
  ('select, insert', 'api_tokens'), ('update (last_used_at, revoked_at)', 'api_tokens'),
  ('select, insert, update, delete', 'idempotency_keys'),
  ('select, insert', 'restarts'), ('update (pending, requested_at)', 'restarts'),
  ('execute', 'function limit_keys(uuid, text)'), ('execute', 'function may_cancel_waiting_firings()'),
  ('execute', 'function may_archive_schedules()'), ('execute', 'function may_resume_schedules()')
) as it (rights, thing);

-- The activity log is written by all who act, and changed by nobody.
insert into role_grants (role, rights, thing)
select role,
       'insert (workspace_id, schedule_id, firing_id, type, status, actor, request_body, error_detail, duration_ms)',
       'activity_logs'
  from unnest('{slotbeat_worker, slotbeat_beat, slotbeat_api}'::text[]) as role;
-- Each process says that it lives, and forgets those that do not.
insert into role_grants (role, rights, thing)
select role, 'select, insert, delete, update (seen_at, capacity, facts)', 'processes'
  from unnest('{slotbeat_worker, slotbeat_beat, slotbeat_api}'::text[]) as role;

-- For reports: no prompts, targets and payload output, nothing that opens a door.
insert into role_grants (role, rights, thing)
select 'slotbeat_reader', rights, thing from (values
  ('select', 'schema_migrations'), ('select', 'epoch'), ('select', 'limits'), ('select', 'slots'), ('select', 'skips'),
  ('select', 'schedule_firing_metrics'), ('select', 'cadence'), ('select', 'failure_classes'),
  ('select (key, updated_at, updated_by)', 'settings'),
  ('select (id, name, status, native_scheduler, active_tasks, current_task, consecutive_failures, last_activity_at,'
   ' created_at, updated_at)', 'workspaces'),
  ('select (id, workspace_id, name, kind, cron, run_at, timezone, priority, lane, overlap, missed, start_deadline_s,'
   ' jitter_s, start_at, end_at, remaining_runs, max_turns, max_turns_set_at, max_run_seconds, max_attempts,'
   ' retry_backoff_s, status, paused_reason, paused_by, paused_until, pause_note, next_run_at, deferred_until, due_at,'
   ' last_run_at, run_count, last_status, last_failure_reason, failure_streak, turn_budget_breach_streak,'
   ' near_lease_streak, suppression_count, last_turn_count, avg_turns_per_firing, avg_duration_ms, fired_count,'
   ' revision, created_at, updated_at)', 'schedules'),
  ('select (id, schedule_id, workspace_id, source, nominal_at, line_no, number, title, priority, lane, status, token,'
   ' forced, max_turns, max_run_seconds, attempt_count, max_attempts, not_before, queued_at, started_at, finished_at,'
   ' exit_code, turns, input_tokens, output_tokens, cost_micros, failure_reason, interrupted_count,'
   ' schedule_revision)', 'firings'),
  ('select (id, firing_id, number, token, worker, claimed_at, heartbeat_expires_at, lease_ms, run_expires_at,'
   ' abort_requested_at, abort_reason, interrupting, dead_ticks, exit_code, exit_reason, exited_at, ended_at, outcome,'
   ' failure_reason, turns, input_tokens, output_tokens, cost_micros, peak_rss_mb)', 'attempts'),
  ('select (id, workspace_id, schedule_id, firing_id, type, status, actor, duration_ms, at)', 'activity_logs'),
  ('select (id, kind, node, capacity, started_at, seen_at)', 'processes'),
  ('select (id, dedupe_key, kind, workspace_id, schedule_id, firing_id, tries, next_try_at, sent_at, at)', 'alerts'),
  ('select (id, name, prefix, scopes, workspace_id, created_at, expires_at, last_used_at, revoked_at)', 'api_tokens')
) as it (rights, thing);

-- Makes the roles where the caller may, and gives each its rows of role_grants and nothing else. Answers the roles
-- that are missing. May be repeated: after a restore into another cluster, or by somebody who may create roles.
create function grant_roles() returns text[] language plpgsql as $$
declare
  it       record;
  missing  text[] := '{}';
begin
  -- Rules must hold whoever writes, so a trigger may read and change what its caller may not; and its names mean
  -- ours. Those that ask who the caller is run as the caller.
  for it in
    select distinct p.oid::regprocedure::text as name, p.proname like '%\_by\_right' as asks
      from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
     where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace
       and c.relname in (select thing from role_grants)
  loop
    execute format('alter function %s set search_path = %I, pg_temp', it.name, current_schema());
    if not it.asks then
      execute format('alter function %s security definer', it.name);
    end if;
    execute format('revoke execute on function %s from public', it.name);
  end loop;

  for it in select distinct role from role_grants order by role loop
    if to_regrole(it.role) is null and (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
      begin
        execute format('create role %I nologin', it.role);
      exception when duplicate_object or unique_violation then
        null;  -- roles are the cluster's: the migration of another of its databases was quicker
      end;
    end if;
    if to_regrole(it.role) is null then
      missing := missing || it.role;
      raise notice 'role % is missing and % may not create it', it.role, current_user;
      continue;
    end if;
    execute format('revoke all on all tables in schema %I from %I', current_schema(), it.role);
    execute format('revoke all on all sequences in schema %I from %I', current_schema(), it.role);
    execute format('revoke all on all functions in schema %I from %I', current_schema(), it.role);
    execute format('grant usage on schema %I to %I', current_schema(), it.role);
  end loop;

  for it in select * from role_grants where role <> all (missing) order by role, thing, rights loop
    execute format('grant %s on %s to %I', it.rights, it.thing, it.role);
  end loop;
  return missing;
end $$;

-- The claim writes slots, tokens and attempts, which nobody may by hand.
do $$
begin
  execute format('alter function claim_firing(uuid, uuid, bigint, jsonb, text, interval) security definer'
                 ' set search_path = %I, pg_temp', current_schema());
  execute format('alter function grant_roles() set search_path = %I, pg_temp', current_schema());
end $$;
revoke execute on function claim_firing(uuid, uuid, bigint, jsonb, text, interval), limit_keys(uuid, text), grant_roles(),
  may_start_firings(), may_cancel_waiting_firings(), may_end_running_firings(), may_archive_schedules(),
  may_resume_schedules() from public;
select grant_roles();
