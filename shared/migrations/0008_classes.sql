-- Failures that schedules share: where a firing's failure counts, which classes are tripped, who may try again.

create index firings_completed_at_place on firings (place, finished_at) where status = 'completed';
create index firings_completed_in_workspace on firings (workspace_id, finished_at) where status = 'completed';
create index attempts_failed_outside on attempts (failure_reason, ended_at)
  where failure_reason in ('rate_limited', 'auth_failed', 'workspace_unavailable', 'target_error');

-- Where a failure for a reason is looked for: that a workspace is away says nothing of its firings' lanes.
create function class_place(reason text, workspace uuid, place text) returns text language sql immutable as $$
  select case reason when 'workspace_unavailable' then 'workspace:' || workspace::text else place end
$$;

-- A class is tripped while `healed_at` is null: firings at its place wait, but for the one that is its probe.
alter table failure_classes
  add column place          text not null,
  add column schedules      integer not null default 0 check (schedules >= 0),
  add column probes         integer not null default 0 check (probes >= 0),
  add column probed_at      moment,
  add column next_probe_at  moment not null default now(),
  add column healed_by      text,
  add check (key = reason || '@' || place),
  add check (healed_at is null or probe_id is null);

-- Failures in a row that are held: no firing of the class completed that would show they are the schedule's own.
alter table schedules add column held_streak integer not null default 0 check (held_streak >= 0);

-- What may start now: what is ready, and held by no tripped class, or its probe, or asked for by hand.
create or replace view startable as
  select f.*
    from ready f
   where f.forced or f.source in ('manual', 'rerun', 'adhoc')
      or not exists (select from failure_classes c
                      where c.healed_at is null and c.probe_id is distinct from f.id
                        and c.place = class_place(c.reason, f.workspace_id, f.place));

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'select, insert, update', 'failure_classes'),
  ('slotbeat_worker', 'select', 'ready'), ('slotbeat_api', 'select', 'ready'),
  ('slotbeat_worker', 'select (kind, last_run_at, created_at, held_streak, suppression_count, turns_today,'
   ' turns_today_on)', 'schedules'),
  ('slotbeat_worker', 'update (held_streak, suppression_count, turns_today, turns_today_on)', 'schedules'),
  ('slotbeat_api', 'update (probe_id, healed_at, healed_by)', 'failure_classes'),
  ('slotbeat_api', 'update (held_streak)', 'schedules'),
  ('slotbeat_beat', 'update (held_streak)', 'schedules'),
  ('slotbeat_reader', 'select (held_streak)', 'schedules'),
  ('slotbeat_reader', 'select (place)', 'firings');
insert into role_grants (role, rights, thing)
select role, 'execute', 'function class_place(text, uuid, text)'
  from unnest('{slotbeat_worker, slotbeat_beat, slotbeat_api}'::text[]) as role;
revoke execute on function class_place(text, uuid, text) from public;
select grant_roles();
