-- Every occurrence accounted for: since when a schedule's times are what they are, pauses that end by themselves,
-- a fleet that pauses as one, and skips that a backfill may replace.

-- Occurrences later than this are owed by the times as they stand: each ends as one firing or one skip.
alter table schedules add column timing_since moment not null default now();
create index schedules_paused_until on schedules (paused_until) where status = 'paused' and paused_until is not null;

-- The fleet's last pause; it is paused while nobody has resumed it. Its cap is 0 then, which stops all admission, so
-- that nothing else needs to know: `cap` is what it becomes again.
create table fleet_pause (
  only_row    boolean primary key default true check (only_row),
  cap         integer not null check (cap between 0 and 10000),
  paused_at   moment not null,
  paused_by   text not null,
  note        text,
  resumed_at  moment,
  check (resumed_at >= paused_at)
);

-- A pause until a moment ends by itself, by the hand of a beat, who may resume nothing else.
create function may_end_pauses() returns void language plpgsql as $$ begin end $$;
revoke execute on function may_end_pauses() from public;
create or replace function schedule_moves_by_right() returns trigger language plpgsql as $$
begin
  if not has_function_privilege(
       case when new.status <> 'active' then 'may_archive_schedules()'
            when old.paused_until <= now() then 'may_end_pauses()'
            else 'may_resume_schedules()' end, 'execute') then
    raise exception 'schedule %: % -> % is not for %', old.id, old.status, new.status, current_user
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'select (cap, resumed_at)', 'fleet_pause'),
  ('slotbeat_beat', 'select', 'fleet_pause'),
  ('slotbeat_api', 'select, insert, update', 'fleet_pause'),
  ('slotbeat_reader', 'select', 'fleet_pause'),
  ('slotbeat_reader', 'select (timing_since)', 'schedules'),
  ('slotbeat_api', 'update (timing_since)', 'schedules'),
  ('slotbeat_api', 'delete', 'skips'),
  ('slotbeat_beat', 'execute', 'function may_end_pauses()'),
  ('slotbeat_api', 'execute', 'function may_end_pauses()'),
  ('slotbeat_beat', 'update (paused_until, revision, failure_streak, turn_budget_breach_streak, near_lease_streak)',
   'schedules');
select grant_roles();
