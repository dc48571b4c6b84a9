-- Places: since when a workspace has its status, whether it was woken, its restarts, what a worker may find it to be.

alter table workspaces
  add column status_at moment not null default now(),
  add column wake_asked_at moment;

-- A new status has a wait and a wake of its own.
create function workspace_changes_status() returns trigger language plpgsql as $$
begin
  new.status_at := now();
  new.wake_asked_at := null;
  if new.status = 'online' then
    new.consecutive_failures := 0;
  end if;
  return new;
end $$;
create trigger workspace_changes_status before update of status on workspaces
  for each row when (old.status <> new.status) execute function workspace_changes_status();

-- What waits in a workspace: asked when its status changes, and when it goes.
create index firings_queued_in on firings (workspace_id) where status = 'queued';

-- A restart has a number. Whoever asks is served by the next one to begin, `begun + 1`, which `pending` says is
-- wanted. One that runs has until `running_until`: its guard has ended it before that.
alter table restarts
  add column begun bigint not null default 0,
  add column ended bigint not null default 0,
  add column began_at moment,
  add column ended_at moment,
  add column outcome text check (outcome in ('ok', 'failed', 'lost')),
  add column error text,
  add column duration_ms bigint,
  add check (ended in (begun, begun - 1)),
  add check ((running_by is null) = (ended = begun)),
  add check ((running_by is null) = (running_until is null)),
  add check ((ended = 0) = (outcome is null));

-- What a worker found a workspace to be, whose status it may not write otherwise. Fit heals `failed`, and nothing
-- else: people, and the agents that report themselves, have said the rest.
create function workspace_found(found uuid, fit boolean) returns void language sql as $$
  update workspaces
     set consecutive_failures = case when fit then 0 else consecutive_failures + 1 end,
         status = case when fit and status = 'failed' then 'online'
                       when not fit and status in ('online', 'degraded') then 'failed'
                       else status end,
         updated_at = now()
   where id = found and status in ('online', 'degraded', 'failed')
     and (not fit or consecutive_failures > 0 or status = 'failed')
$$;
revoke execute on function workspace_found(uuid, boolean) from public;
do $$
begin
  execute format('alter function workspace_found(uuid, boolean) security definer set search_path = %I, pg_temp',
                 current_schema());
end $$;

insert into role_grants (role, rights, thing) values
  ('slotbeat_worker', 'execute', 'function workspace_found(uuid, boolean)'),
  ('slotbeat_worker', 'select (restart_command, restart_url, wake_url, active_tasks, last_activity_at, created_at,'
   ' wake_asked_at, status_at)', 'workspaces'),
  ('slotbeat_worker', 'update (active_tasks, current_task, wake_asked_at)', 'workspaces'),
  ('slotbeat_worker', 'select, insert, update', 'restarts'),
  ('slotbeat_beat', 'select (status_at)', 'workspaces'),
  ('slotbeat_api', 'update (active_tasks, current_task, last_activity_at)', 'workspaces');
select grant_roles();
